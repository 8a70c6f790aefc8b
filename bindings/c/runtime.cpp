#include "bindings/c/handles.hpp"

using namespace cluster;
using namespace cluster::c;

namespace {

Result<Security> security_of(const cluster_runtime_options& options) {
  const CertificateFiles files{text(options.certificate), text(options.key),
                               text(options.authorities)};
  const bool has_any = !files.chain.empty() || !files.key.empty() || !files.authorities.empty();
  const bool has_all = !files.chain.empty() && !files.key.empty() && !files.authorities.empty();
  if (options.insecure != 0 && has_any) {
    return Error{Errc::invalid_argument, "certificates are named and `insecure` too; choose one"};
  }
  if (options.insecure != 0) return Security(Insecure{});
  if (has_all) return Security(Tls{certificate_files(files)});
  return Error{Errc::invalid_argument,
               has_any ? "name all three of certificate, key and authorities"
                       : "say how connections are secured: name certificate, key and authorities, "
                         "or set `insecure` for plain text"};
}

}  // namespace

uint32_t cluster_abi_version(void) { return CLUSTER_ABI_VERSION; }

const char* cluster_error_name(int32_t error) {
  if (error < 0 || error > static_cast<int32_t>(errc_last)) return "unknown error";
  return to_string(static_cast<Errc>(error)).data();  // Of literals: they end with 0.
}

const char* cluster_error_text(void) { return error_text().c_str(); }

int32_t cluster_queue_open(const cluster_queue_options* given, cluster_queue** out) {
  if (out == nullptr) return refuse(Errc::invalid_argument, "`out` is NULL");
  auto options =
      taken(given, cluster_queue_options CLUSTER_QUEUE_OPTIONS_INIT, "cluster_queue_options");
  if (!options) return refuse(options.error());
  auto queue = Queue::open(options->bytes_max);
  if (!queue) return refuse(queue.error());
  *out = new cluster_queue{*std::move(queue)};
  return CLUSTER_OK;
}

void cluster_queue_close(cluster_queue* queue) {
  if (!is_usable(queue)) return;
  queue->queue->close();
  delete queue;
}

int cluster_queue_descriptor(cluster_queue* queue) {
  return is_usable(queue) ? queue->queue->descriptor() : -1;
}

int cluster_queue_next(cluster_queue* queue, cluster_event* events, size_t event_size,
                       size_t capacity, int64_t timeout_ms) {
  if (!is_usable(queue)) return -1;
  if (events == nullptr || capacity == 0 || capacity > INT32_MAX || event_size < 8) {
    refuse(Errc::invalid_argument, "there is no room for an event, or its size is not given");
    return -1;
  }
  return queue->queue->next(events, event_size, capacity, timeout_ms);
}

int32_t cluster_runtime_open(const cluster_runtime_options* given, cluster_runtime** out) {
  if (out == nullptr) return refuse(Errc::invalid_argument, "`out` is NULL");
  auto options =
      taken(given, cluster_runtime_options CLUSTER_RUNTIME_OPTIONS_INIT, "cluster_runtime_options");
  if (!options) return refuse(options.error());
  if (options->queue == nullptr) {
    return refuse(Errc::invalid_argument, "cluster_runtime_options.queue is NULL; open one first");
  }
  if (auto code = refusal_of(options->queue)) return code;
  auto security = security_of(*options);
  if (!security) return refuse(security.error());
  RuntimeOptions runtime;
  runtime.security = *std::move(security);
  *out = new cluster_runtime{options->queue->queue, Runtime::threads(std::move(runtime))};
  return CLUSTER_OK;
}

void cluster_runtime_close(cluster_runtime* runtime) {
  if (is_usable(runtime)) delete runtime;
}
