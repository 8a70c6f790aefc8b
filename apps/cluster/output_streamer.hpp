// Copies what tasks write from their agents to a sink, as it appears.
//
// An agent that is gone for a while, or comes back at another endpoint, is looked up again through
// the leading master; reading goes on where it stopped. Lives on the node thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cluster/registry.hpp"
#include "node/admin_client.hpp"
#include "runtime/host.hpp"

namespace cluster::app {

class OutputStreamer {
 public:
  struct Hooks {
    std::function<void(const TaskKey&, bool standard_error, ByteView)> on_data;
    // A stream is over: to its end when `problem` is empty, else as far as it could be had.
    std::function<void(const TaskKey&, bool standard_error, const std::string& problem)> on_end;
  };

  // `query` must find the tasks that are added. With `follow` a stream ends with its task, without
  // at the present end of the file.
  OutputStreamer(node::AdminClient&, runtime::Host&, wire::GetTasks query, bool follow, Hooks);

  void add(const TaskKey&, bool standard_error);
  bool is_idle() const;  // Every stream has ended.

 private:
  struct StreamKey {
    TaskKey task;
    bool standard_error;
    friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
  };
  struct Stream {
    std::uint64_t offset = 0;
    bool reading = false;
    bool ended = false;
    bool told_gap = false;
    Time retry_at{};               // Not read before.
    Time gone_since = time_never;  // The first of the failures since the last success.
  };
  struct Place {
    Endpoint endpoint;
    bool over = false;  // The task has ended.
    bool lost = false;  // With its agent.
  };

  void step();
  void locate();
  void located(Result<wire::TaskRows>);
  void read(const StreamKey&, Stream&, const Endpoint&);
  void received(const StreamKey&, Result<wire::LogChunk>);
  void failed(const StreamKey&, Stream&, const Error&);
  void end(const StreamKey&, Stream&, const std::string& problem);
  void wake_at(Time);

  node::AdminClient& admin_;
  runtime::Host& host_;
  wire::GetTasks query_;
  bool follow_;
  Hooks hooks_;
  std::map<StreamKey, Stream> streams_;
  std::map<TaskKey, Place> places_;
  bool locating_ = false;
  bool locate_wanted_ = false;
  Time next_wake_ = time_never;
  Time locate_at_{};
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::app
