// One member of a replicated log as a process, for the system tests: a map of registers computed
// from the log, served by lines over a Unix socket (which partitions of the network do not cut).
//
//   put KEY VALUE        ok                  VALUE differs from all others: it names the write
//   cas KEY OLD NEW      ok true|false       OLD "-": nothing
//   get KEY              ok VALUE            linearizable; "-": nothing
//   history              ok VALUE ...        of every write here, in the log's order, after
//                                            learning all that was chosen
//   leadership           ok TERM LEADER
//
// Else "failed WHY" (it never takes effect) or "unknown WHY" (it may). The process ends as if it
// were killed, when its standard input does.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/endpoint.hpp"
#include "cluster/log.hpp"

namespace {

using namespace cluster;

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    auto end = std::min(line.find(' '), line.size());
    if (end != 0) words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::string refusal(const Error& error) {
  return (error.outcome == Outcome::maybe ? "unknown " : "failed ") + error.message();
}

class StderrSink final : public LogSink {
 public:
  void write(const LogLine& line) override {
    std::lock_guard lock(mutex_);
    std::fprintf(stderr, "%s\n", to_text(line).c_str());
  }

 private:
  std::mutex mutex_;
};

// What the log's entries amount to.
class Registers {
 public:
  void apply(const Entry& entry) {
    std::vector<std::string> command = words_of(std::string(entry.data.view()));
    history_.push_back(command.back());
    if (command[0] == "put") {
      values_[command[1]] = command[2];
    } else {
      std::string& value = values_.try_emplace(command[1], "-").first->second;
      bool is_swapped = value == command[2];
      if (is_swapped) value = command[3];
      swapped_[entry.position] = is_swapped;
    }
  }

  std::string get(const std::string& key) const {
    auto at = values_.find(key);
    return at == values_.end() ? "-" : at->second;
  }
  bool was_swapped(Position at) const { return swapped_.at(at); }
  const std::vector<std::string>& history() const { return history_; }

 private:
  std::map<std::string, std::string> values_;
  std::map<Position, bool> swapped_;
  std::vector<std::string> history_;
};

class Member {
 public:
  // Entries are that much longer than their commands.
  Member(Log log, std::size_t padding) : log_(std::move(log)), padding_(padding) {
    log_.follow(Position(1), [this](const std::vector<Entry>& entries) {
      std::lock_guard lock(mutex_);
      for (const Entry& entry : entries) followed_.apply(entry);
      has_followed_.notify_all();
    });
  }

  std::string answer(const std::string& line) {
    std::vector<std::string> words = words_of(line);
    if (words.size() == 3 && words[0] == "put") return write(line, false);
    if (words.size() == 4 && words[0] == "cas") return write(line, true);
    if (words.size() == 2 && words[0] == "get") return get(words[1]);
    if (words.size() == 1 && words[0] == "history") return history();
    if (words.size() == 1 && words[0] == "leadership") {
      Leadership leadership = log_.leadership();
      return "ok " + std::to_string(leadership.term) + " " +
             std::to_string(leadership.leader.value());
    }
    return "failed no such command: " + line;
  }

 private:
  std::string write(const std::string& command, bool is_cas) {
    Result<Position> at = log_.append(Bytes(command + std::string(padding_, ' '))).get();
    if (!at) return refusal(at.error());
    if (!is_cas) return "ok";
    Result<LogRange> range = log_.catch_up().get();
    Result<void> applied = range ? apply_until(range->end) : std::move(range).error();
    if (!applied) return "unknown " + applied.error().message();
    std::lock_guard lock(mutex_);
    return registers_.was_swapped(*at) ? "ok true" : "ok false";
  }

  std::string get(const std::string& key) {
    if (Result<void> applied = apply_all(); !applied) return refusal(applied.error());
    std::lock_guard lock(mutex_);
    return "ok " + registers_.get(key);
  }

  // Both ways to read must have seen the same.
  std::string history() {
    if (Result<void> applied = apply_all(); !applied) return refusal(applied.error());
    std::unique_lock lock(mutex_);
    bool has_all = has_followed_.wait_for(lock, std::chrono::seconds(10), [this] {
      return followed_.history().size() >= registers_.history().size();
    });
    if (!has_all) return "failed the follower has seen fewer entries than were read";
    std::string text = "ok";
    for (std::size_t i = 0; i < registers_.history().size(); ++i) {
      if (followed_.history()[i] != registers_.history()[i]) {
        return "failed write " + std::to_string(i) + " was read as " + registers_.history()[i] +
               " and followed as " + followed_.history()[i];
      }
      text += " " + registers_.history()[i];
    }
    return text;
  }

  Result<void> apply_all() {
    Result<LogRange> range = log_.catch_up().get();
    if (!range) return std::move(range).error();
    return apply_until(range->end);
  }

  Result<void> apply_until(Position end) {
    std::lock_guard lock(mutex_);
    while (next_ < end) {
      Result<std::vector<Entry>> entries = log_.read(next_, end).get();
      if (!entries) return std::move(entries).error();
      for (const Entry& entry : *entries) registers_.apply(entry);
      next_ = entries->empty() ? end : entries->back().position.next();
    }
    return {};
  }

  Log log_;
  const std::size_t padding_;
  std::mutex mutex_;
  std::condition_variable has_followed_;
  Position next_{1};     // Guarded, as all below.
  Registers registers_;  // From reading.
  Registers followed_;   // From following.
};

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "log_node: %s\n", why.c_str());
  std::exit(1);
}

void serve(int connection, Member& member) {
  std::string buffer;
  char bytes[4096];
  while (true) {
    ssize_t size = ::read(connection, bytes, sizeof bytes);
    if (size <= 0) break;
    buffer.append(bytes, static_cast<std::size_t>(size));
    for (auto end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n')) {
      std::string answer = member.answer(buffer.substr(0, end)) + "\n";
      buffer.erase(0, end + 1);
      for (std::string_view rest = answer; !rest.empty();) {
        ssize_t sent = ::send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
  }
  ::close(connection);
}

int listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) stop("the socket's path is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ::unlink(path.c_str());
  int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 64) != 0) {
    stop(path + ": " + std::strerror(errno));
  }
  return listener;
}

std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) stop("no number: " + text);
  return number;
}

// "1=127.0.0.1:7001,2=..."
std::vector<Peer> members_of(std::string text) {
  std::vector<Peer> members;
  for (char& c : text) c = c == ',' ? ' ' : c;
  for (const std::string& word : words_of(text)) {
    auto equals = std::min(word.find('='), word.size() - 1);
    Result<Endpoint> endpoint = parse_endpoint(word.substr(equals + 1));
    if (!endpoint) stop(endpoint.error().message());
    members.push_back({NodeId(number_of(word.substr(0, equals))), *endpoint});
  }
  return members;
}

}  // namespace

// NAME VALUE pairs: directory, self, members, socket, and at will listen, padding, store,
// store_bytes_max.
int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  LogOptions options;
  options.directory = given["directory"];
  options.cluster = ClusterUid(77);
  options.self = NodeId(number_of(given["self"]));
  options.members = members_of(given["members"]);
  options.request_timeout = std::chrono::seconds(3);
  if (given.contains("listen")) {
    Result<Endpoint> listen = parse_endpoint(given["listen"]);
    if (!listen) stop(listen.error().message());
    options.listen = *listen;
  }

  if (given["store"] == "lmdb") options.store = StoreKind::lmdb;
  if (given.contains("store_bytes_max")) {
    options.store_bytes_max = number_of(given["store_bytes_max"]);
  }

  StderrSink sink;
  Runtime runtime = Runtime::threads(
      {.security = Insecure{}, .log_sink = &sink, .log_level = LogLevel::info, .deliver_on = {}});
  Result<Log> log = Log::open(runtime, options);
  if (!log) stop(log.error().message());
  Member member(*std::move(log), given.contains("padding") ? number_of(given["padding"]) : 0);
  int listener = listen_at(given["socket"]);
  std::printf("ready\n");
  std::fflush(stdout);

  std::thread([] {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    ::_exit(0);
  }).detach();
  while (true) {
    int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) stop(std::string("accept: ") + std::strerror(errno));
    std::thread(serve, connection, std::ref(member)).detach();
  }
}
