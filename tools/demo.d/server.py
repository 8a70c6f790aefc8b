"""One instance of the demo's service: says who it is to whoever asks."""
import http.server
import json
import os

INDEX = int(os.environ["CLUSTER_INDEX"])
PORT = int(os.environ["PORTS"].split(",")[INDEX])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"index": INDEX, "attempt": int(os.environ["CLUSTER_ATTEMPT"]),
                           "task": os.environ["CLUSTER_TASK"], "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


print(f"instance {INDEX} listens on {PORT}", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
