#include "replog/open_calls.hpp"

namespace cluster::replog {

CallTerms terms_of(const CallOptions& options, Time now, Duration request_timeout) {
  Duration patience = options.timeout > Duration::zero() ? options.timeout : request_timeout;
  return {.deadline = patience < time_never - now ? now + patience : time_never,
          .cancel = options.cancel};
}

OpenCall::~OpenCall() {
  if (calls_ != nullptr) calls_->end(id_);
}

OpenCall OpenCalls::open(const CallTerms& terms, GiveUp give_up) {
  std::uint64_t id = ++last_id_;
  Open& one = open_[id];
  one.deadline = terms.deadline;
  one.give_up = std::move(give_up);
  by_deadline_.emplace(terms.deadline, id);
  if (terms.cancel.stop_possible()) {
    auto cancel = lifeline_.guard([this, id] { this->give_up(id, Errc::cancelled); });
    one.on_stop =
        std::make_unique<OnStop>(terms.cancel, [&host = host_, cancel] { host.post(cancel); });
  }
  return OpenCall(*this, id);
}

Time OpenCalls::deadline() const {
  return by_deadline_.empty() ? time_never : by_deadline_.begin()->first;
}

void OpenCalls::expire(Time now) {
  while (deadline() <= now && deadline() != time_never) {
    give_up(by_deadline_.begin()->second, Errc::timed_out);
  }
}

void OpenCalls::end(std::uint64_t id) {
  auto at = open_.find(id);
  if (at == open_.end()) return;
  by_deadline_.erase({at->second.deadline, id});
  open_.erase(at);
}

void OpenCalls::give_up(std::uint64_t id, Errc why) {
  auto at = open_.find(id);
  if (at == open_.end()) return;
  GiveUp give_up = std::move(at->second.give_up);
  end(id);
  give_up(id, why);
}

}  // namespace cluster::replog
