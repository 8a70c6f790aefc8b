#include "wire/common_codec.hpp"

#include <algorithm>

namespace cluster::wire {
namespace {

namespace spec = schema::spec;

void write_value(spec::Resource::Builder out, const ResourceValue& value) {
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    out.setScalar(scalar->in_thousandths());
  } else if (const auto* ranges = std::get_if<Ranges>(&value)) {
    auto list = out.initRanges(list_size(*ranges));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setBegin((*ranges)[i].first);
      list[i].setEnd((*ranges)[i].end);
    }
  } else if (const auto* items = std::get_if<Items>(&value)) {
    auto list = out.initSet(list_size(*items));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, to_text((*items)[i]));
  }
}

Ranges read_ranges(Decoding& decoding, capnp::List<spec::Value::Range>::Reader list) {
  Ranges ranges;
  ranges.reserve(list.size());
  for (auto range : list) {
    if (range.getBegin() >= range.getEnd()) decoding.fail("a range of a resource is empty");
    if (!ranges.empty() && ranges.back().end >= range.getBegin()) {
      decoding.fail("ranges of a resource are out of order");
    }
    ranges.push_back({.first = range.getBegin(), .end = range.getEnd()});
  }
  return ranges;
}

Items read_items(Decoding& decoding, capnp::List<capnp::Text>::Reader list) {
  Items items;
  items.reserve(list.size());
  for (auto item : list) {
    items.push_back(from_text(item));
    if (items.size() > 1 && !(items[items.size() - 2] < items.back())) {
      decoding.fail("items of a resource are out of order");
    }
  }
  return items;
}

Scalar read_scalar(Decoding& decoding, std::int64_t thousandths) {
  if (thousandths <= 0 || thousandths > rules::scalar_max.in_thousandths()) {
    decoding.fail("a resource has an amount of " + std::to_string(thousandths) +
                  " thousandths; it must be over 0 and at most " + rules::scalar_max.to_string());
    return {};
  }
  return Scalar::thousandths(thousandths);
}

ResourceValue read_value(Decoding& decoding, spec::Resource::Reader in) {
  switch (in.which()) {
    case spec::Resource::SCALAR: return read_scalar(decoding, in.getScalar());
    case spec::Resource::RANGES: return read_ranges(decoding, in.getRanges());
    case spec::Resource::SET: return read_items(decoding, in.getSet());
  }
  decoding.fail("a resource has an unknown kind");
  return Scalar();
}

}  // namespace

void write(spec::Endpoint::Builder out, const Endpoint& value) {
  out.setHost(to_text(value.host));
  out.setPort(value.port);
}

Endpoint read(Decoding&, spec::Endpoint::Reader in) {
  return {.host = from_text(in.getHost()), .port = in.getPort()};
}

void write(spec::Error::Builder out, const Error& value) {
  out.setCode(static_cast<std::uint16_t>(value.code));
  out.setContext(to_text(value.context));
  out.setMaybe(value.outcome == Outcome::maybe);
}

Error read(Decoding& decoding, spec::Error::Reader in) {
  return {.code = read_enum(decoding, in.getCode(), errc_last, "error code"),
          .context = from_text(in.getContext()),
          .outcome = in.getMaybe() ? Outcome::maybe : Outcome::not_applied};
}

void write(ResourceList::Builder out, const Resources& value) {
  unsigned i = 0;
  for (const auto& [name, amount] : value.values()) {
    out[i].setName(to_text(name));
    write_value(out[i], amount);
    ++i;
  }
}

Resources read(Decoding& decoding, ResourceList::Reader in) {
  Resources resources;
  for (auto resource : in) {
    std::string name = from_text(resource.getName());
    if (name.empty()) decoding.fail("a resource has no name");
    ResourceValue value = read_value(decoding, resource);
    if (!decoding.problem().empty()) return {};  // `set` takes only what is in order.
    if (resources.values().contains(name)) decoding.fail("a resource is named twice");
    resources.set(std::move(name), std::move(value));
  }
  return resources;
}

void write(spec::JobRef::Builder out, const JobRef& value) {
  out.setJob(to_text(value.job.value()));
  out.setStage(value.stage);
  out.setIndex(value.index);
  out.setAttempt(value.attempt);
}

JobRef read(Decoding& decoding, spec::JobRef::Reader in) {
  return {.job = read_id<JobId>(decoding, in.getJob(), "job"),
          .stage = in.getStage(),
          .index = in.getIndex(),
          .attempt = in.getAttempt()};
}

void write(spec::TaskExit::Builder out, const TaskExit& value) {
  out.setCode(value.code);
  out.setSignal(value.signal);
}

TaskExit read(Decoding&, spec::TaskExit::Reader in) {
  return {.code = in.getCode(), .signal = in.getSignal()};
}

void write(spec::TaskStatus::Builder out, const TaskStatus& value) {
  out.setTaskId(to_text(value.task.value()));
  out.setState(static_cast<spec::TaskState>(value.state));
  out.setSequence(value.sequence);
  if (value.exit) write(out.initExit(), *value.exit);
  out.setReason(to_text(value.reason));
  out.setMessage(to_text(value.message));
  out.setAgentId(to_text(value.agent.value()));
  out.setTimestamp(to_wire(value.at));
}

TaskStatus read(Decoding& decoding, spec::TaskStatus::Reader in, const TaskId& task,
                const AgentId& agent) {
  TaskStatus status{.task = read_shared_id(decoding, in.getTaskId(), "task", task),
                    .state = read_enum(decoding, in.getState(), TaskState::dropped, "task state"),
                    .sequence = in.getSequence(),
                    .exit = std::nullopt,
                    .reason = from_text(in.getReason()),
                    .message = from_text(in.getMessage()),
                    .agent = read_shared_id(decoding, in.getAgentId(), "agent", agent),
                    .at = read_wall_time(decoding, in.getTimestamp())};
  if (in.hasExit()) status.exit = read(decoding, in.getExit());
  return status;
}

}  // namespace cluster::wire
