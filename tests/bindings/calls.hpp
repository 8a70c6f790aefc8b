// The C face with the events of each call at hand.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cluster/c.h"
#include "tests/catch.hpp"
#include "tests/unit/sockets.hpp"

namespace cluster::test {

// An event whose items are kept.
struct Happened {
  cluster_event event;
  std::string text;  // Of an error, a token, a part of a snapshot.
  struct Row {
    std::uint64_t position = 0;  // Or the revision that it was modified at.
    std::string key;
    std::string value;
    bool is_deleted = false;
  };
  std::vector<Row> rows;
};

inline cluster_slice slice(const std::string& text) { return {text.data(), text.size()}; }
inline std::string string_of(cluster_slice bytes) {
  return {static_cast<const char*>(bytes.data), bytes.size};
}

template <class Item, class Take>
void each(const cluster_event& event, Take take) {
  const auto* at = static_cast<const unsigned char*>(event.items);
  for (std::size_t i = 0; i < event.item_count; ++i, at += event.item_size) {
    take(*reinterpret_cast<const Item*>(at));
  }
}

inline Happened kept(const cluster_event& event) {
  Happened happened{event, {}, {}};
  if (event.item_size == 1) {
    happened.text = {static_cast<const char*>(event.items), event.item_count};
  } else if (event.kind == CLUSTER_EVENT_ENTRIES || event.kind == CLUSTER_EVENT_APPLY) {
    each<cluster_entry>(event, [&](const cluster_entry& entry) {
      happened.rows.push_back({entry.position, {}, string_of(entry.data), false});
    });
  } else if (event.kind == CLUSTER_EVENT_KEYS) {
    each<cluster_key_value>(event, [&](const cluster_key_value& key) {
      happened.rows.push_back({key.modified, string_of(key.key), string_of(key.value), false});
    });
  } else if (event.kind == CLUSTER_EVENT_CHANGES) {
    each<cluster_change>(event, [&](const cluster_change& change) {
      happened.rows.push_back({change.now.modified, string_of(change.now.key),
                               string_of(change.now.value), change.is_deleted != 0});
    });
  } else if (event.kind == CLUSTER_EVENT_TRANSACTION) {
    each<cluster_operation_result>(event, [&](const cluster_operation_result& result) {
      for (std::size_t i = 0; i < result.key_count; ++i) {
        happened.rows.push_back({result.keys[i].modified, string_of(result.keys[i].key),
                                 string_of(result.keys[i].value), false});
      }
    });
  }
  return happened;
}

class Host {
 public:
  Host() {
    REQUIRE(cluster_queue_open(nullptr, &queue) == CLUSTER_OK);
    cluster_runtime_options options = CLUSTER_RUNTIME_OPTIONS_INIT;
    options.queue = queue;
    options.insecure = 1;
    REQUIRE(cluster_runtime_open(&options, &runtime) == CLUSTER_OK);
    std::string name = (std::filesystem::temp_directory_path() / "c-api-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~Host() {
    cluster_runtime_close(runtime);
    cluster_queue_close(queue);
    std::filesystem::remove_all(directory);
  }

  // The next event with the tag; those of other tags are kept for later.
  Happened next(std::uint64_t tag) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      auto& waiting = seen_[tag];
      if (!waiting.empty()) {
        Happened happened = std::move(waiting.front());
        waiting.pop_front();
        return happened;
      }
      INFO("no event with tag " << tag);
      REQUIRE(std::chrono::steady_clock::now() < end);
      take(1000);
    }
  }
  void take(std::int64_t timeout_ms) {
    cluster_event events[16];
    int count = cluster_queue_next(queue, events, sizeof events[0], 16, timeout_ms);
    REQUIRE(count >= 0);
    for (int i = 0; i < count; ++i) seen_[events[i].tag].push_back(kept(events[i]));
  }
  // The number that a call yields, which must succeed.
  std::uint64_t done(std::int32_t code, std::uint64_t tag) {
    INFO(cluster_error_text());
    REQUIRE(code == CLUSTER_OK);
    Happened happened = next(tag);
    INFO(happened.text);
    REQUIRE(happened.event.error == CLUSTER_OK);
    return happened.event.a;
  }

  // Options of the only member of a log, in its own directory.
  cluster_log_options alone(const char* name) {
    names_.push_back((directory / name).string());
    auto& member = members_.emplace_back();
    member.id = 1;
    member.host = "127.0.0.1";
    member.port = free_port();
    cluster_log_options options = CLUSTER_LOG_OPTIONS_INIT;
    options.directory = names_.back().c_str();
    options.cluster = 77;
    options.self = 1;
    options.members = &member;
    options.member_count = 1;
    return options;
  }

  cluster_queue* queue = nullptr;
  cluster_runtime* runtime = nullptr;
  std::filesystem::path directory;

 private:
  std::map<std::uint64_t, std::deque<Happened>> seen_;
  std::deque<std::string> names_;
  std::deque<cluster_member> members_;
};

}  // namespace cluster::test
