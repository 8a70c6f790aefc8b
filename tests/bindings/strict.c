/* Everything of the header that does not need a cluster, and the sizes that callers were built
 * with: a struct that shrinks, or moves a field, breaks programs that were compiled before. */
#include <cluster/c.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

static void expect(int holds, const char* what) {
  if (holds) return;
  printf("does not hold: %s\n", what);
  failures += 1;
}

#define EXPECT(what) expect((what), #what)
#define AT_LEAST(type, size_of_it) expect(sizeof(type) >= (size_of_it), "size of " #type)

static void check_layout(void) {
  AT_LEAST(cluster_event, 72);
  EXPECT(offsetof(cluster_event, a) == 24);
  EXPECT(offsetof(cluster_event, items) == 48);
  EXPECT(offsetof(cluster_event, item_size) == 64);
  EXPECT(sizeof(cluster_slice) == 16);
  EXPECT(sizeof(cluster_entry) == 24);
  EXPECT(sizeof(cluster_key_value) == 64);
  EXPECT(offsetof(cluster_log_options, members) == 32);
  EXPECT(offsetof(cluster_log_options, snapshot_after_entries) == 136);
}

int main(void) {
  cluster_queue* queue = NULL;
  cluster_runtime* runtime = NULL;
  cluster_runtime_options options = CLUSTER_RUNTIME_OPTIONS_INIT;
  cluster_event event;

  check_layout();
  EXPECT(cluster_abi_version() == CLUSTER_ABI_VERSION);
  EXPECT(strcmp(cluster_error_name(CLUSTER_E_TIMED_OUT), "timed out") == 0);
  EXPECT(strcmp(cluster_error_name(9999), "unknown error") == 0);

  EXPECT(cluster_queue_open(NULL, &queue) == CLUSTER_OK);
  EXPECT(cluster_queue_descriptor(queue) >= 0);
  EXPECT(cluster_queue_next(queue, &event, sizeof event, 1, 0) == 0);
  EXPECT(cluster_queue_next(queue, NULL, 0, 0, 0) == -1);

  EXPECT(cluster_runtime_open(&options, &runtime) == CLUSTER_E_INVALID_ARGUMENT);
  EXPECT(strstr(cluster_error_text(), "queue") != NULL);
  options.queue = queue;
  EXPECT(cluster_runtime_open(&options, &runtime) == CLUSTER_E_INVALID_ARGUMENT);
  EXPECT(strstr(cluster_error_text(), "insecure") != NULL);
  options.insecure = 1;
  options.key = "key.pem";
  EXPECT(cluster_runtime_open(&options, &runtime) == CLUSTER_E_INVALID_ARGUMENT);
  options.key = NULL;
  EXPECT(cluster_runtime_open(&options, &runtime) == CLUSTER_OK);
  EXPECT(cluster_log_append(NULL, (cluster_slice){"x", 1}, NULL, 1) == CLUSTER_E_INVALID_ARGUMENT);

  cluster_runtime_close(runtime);
  cluster_queue_close(queue);
  return failures == 0 ? 0 : 1;
}
