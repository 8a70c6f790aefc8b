#include "schema/scheduler.capnp.h"
#include "wire/common_codec.hpp"
#include "wire/scheduler_messages.hpp"

namespace cluster::wire {
namespace {

namespace scheduler = schema::scheduler;

using OfferIds = capnp::List<std::uint64_t>;

void write_offer_ids(OfferIds::Builder out, const std::vector<OfferId>& offers) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, offers[i].value());
}

OfferId read_offer_id(Decoding& decoding, std::uint64_t id) {
  if (id == 0) decoding.fail("an offer has the id 0; ids begin at 1");
  return OfferId(id);
}

std::vector<OfferId> read_offer_ids(Decoding& decoding, OfferIds::Reader in) {
  std::vector<OfferId> offers;
  offers.reserve(in.size());
  for (std::uint64_t id : in) offers.push_back(read_offer_id(decoding, id));
  return offers;
}

// One overload per message; each picks its member of the union.
void write_message(scheduler::SchedulerMessage::Builder out, const Subscribe& message) {
  auto body = out.initSubscribe();
  body.setFramework(to_text(message.framework.value()));
  body.setName(to_text(message.name));
  body.setRole(to_text(message.role));
  body.setFailoverTimeout(to_wire(message.failover_timeout));
}
void write_message(scheduler::SchedulerMessage::Builder out, const Subscribed& message) {
  auto body = out.initSubscribed();
  body.setFramework(to_text(message.framework.value()));
  body.setTerm(message.term);
  body.setPingInterval(to_wire(message.ping_interval));
}
void write_message(scheduler::SchedulerMessage::Builder out, const SchedulerRedirect& message) {
  auto body = out.initRedirect();
  if (message.leader) write(body.initLeader(), *message.leader);
}
void write_message(scheduler::SchedulerMessage::Builder out, const SchedulerError& message) {
  auto body = out.initError();
  write(body.initError(), message.error);
  body.setFatal(message.fatal);
}
void write_message(scheduler::SchedulerMessage::Builder out, const Offers& message) {
  auto offers = out.initOffers(list_size(message.offers));
  for (unsigned i = 0; i < offers.size(); ++i) {
    const Offer& offer = message.offers[i];
    offers[i].setId(offer.id.value());
    offers[i].setAgent(to_text(offer.agent.value()));
    offers[i].setHostname(to_text(offer.hostname));
    write_resources(offer.resources, [&](unsigned n) { return offers[i].initResources(n); });
  }
}
void write_message(scheduler::SchedulerMessage::Builder out, const Rescind& message) {
  out.setRescind(message.offer.value());
}
void write_message(scheduler::SchedulerMessage::Builder out, const Accept& message) {
  auto body = out.initAccept();
  write_offer_ids(body.initOffers(list_size(message.offers)), message.offers);
  auto tasks = body.initTasks(list_size(message.tasks));
  for (unsigned i = 0; i < tasks.size(); ++i) tasks.set(i, to_data(message.tasks[i].view()));
  body.setRefuse(to_wire(message.refuse));
}
void write_message(scheduler::SchedulerMessage::Builder out, const Decline& message) {
  auto body = out.initDecline();
  write_offer_ids(body.initOffers(list_size(message.offers)), message.offers);
  body.setRefuse(to_wire(message.refuse));
}
void write_message(scheduler::SchedulerMessage::Builder out, const Suppress&) { out.setSuppress(); }
void write_message(scheduler::SchedulerMessage::Builder out, const Revive&) { out.setRevive(); }
void write_message(scheduler::SchedulerMessage::Builder out, const Kill& message) {
  out.setKill(to_text(message.task.value()));
}
void write_message(scheduler::SchedulerMessage::Builder out, const Update& message) {
  write(out.initUpdate(), message.status);
}
void write_message(scheduler::SchedulerMessage::Builder out, const Acknowledge& message) {
  auto body = out.initAcknowledge();
  body.setTask(to_text(message.task.value()));
  body.setSequence(message.sequence);
}
void write_message(scheduler::SchedulerMessage::Builder out, const Reconcile& message) {
  auto tasks = out.initReconcile(list_size(message.tasks));
  for (unsigned i = 0; i < tasks.size(); ++i) tasks.set(i, to_text(message.tasks[i].value()));
}
void write_message(scheduler::SchedulerMessage::Builder out, const Teardown&) { out.setTeardown(); }
void write_message(scheduler::SchedulerMessage::Builder out, const SchedulerPing&) {
  out.setPing();
}
void write_message(scheduler::SchedulerMessage::Builder out, const SchedulerPong&) {
  out.setPong();
}

Subscribe read_subscribe(Decoding& decoding, scheduler::Subscribe::Reader in) {
  return {.framework = read_optional_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .name = from_text(in.getName()),
          .role = from_text(in.getRole()),
          .failover_timeout = read_duration(decoding, in.getFailoverTimeout(), "failover timeout")};
}

Subscribed read_subscribed(Decoding& decoding, scheduler::Subscribed::Reader in) {
  return {.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .term = in.getTerm(),
          .ping_interval = read_duration(decoding, in.getPingInterval(), "ping interval")};
}

SchedulerRedirect read_redirect(Decoding& decoding, scheduler::SchedulerRedirect::Reader in) {
  SchedulerRedirect redirect;
  if (in.hasLeader()) redirect.leader = read(decoding, in.getLeader());
  return redirect;
}

Offers read_offers(Decoding& decoding, capnp::List<scheduler::Offer>::Reader in) {
  Offers offers;
  offers.offers.reserve(in.size());
  for (auto offer : in) {
    offers.offers.push_back({.id = read_offer_id(decoding, offer.getId()),
                             .agent = read_id<AgentId>(decoding, offer.getAgent(), "agent"),
                             .hostname = from_text(offer.getHostname()),
                             .resources = read(decoding, offer.getResources())});
  }
  return offers;
}

Accept read_accept(Decoding& decoding, scheduler::Accept::Reader in) {
  Accept accept{.offers = read_offer_ids(decoding, in.getOffers()),
                .tasks = {},
                .refuse = read_duration(decoding, in.getRefuse(), "refusal")};
  accept.tasks.reserve(in.getTasks().size());
  for (auto task : in.getTasks()) accept.tasks.push_back(from_data(task));
  return accept;
}

Decline read_decline(Decoding& decoding, scheduler::Decline::Reader in) {
  return {.offers = read_offer_ids(decoding, in.getOffers()),
          .refuse = read_duration(decoding, in.getRefuse(), "refusal")};
}

Update read_update(Decoding& decoding, schema::spec::TaskStatus::Reader in) {
  Update update{.status = read(decoding, in)};
  if (!update.status.task) decoding.fail("an update does not name its task");
  return update;
}

Acknowledge read_acknowledge(Decoding& decoding, scheduler::Acknowledge::Reader in) {
  return {.task = read_id<TaskId>(decoding, in.getTask(), "task"), .sequence = in.getSequence()};
}

Reconcile read_reconcile(Decoding& decoding, capnp::List<capnp::Text>::Reader in) {
  Reconcile reconcile;
  reconcile.tasks.reserve(in.size());
  for (auto task : in) reconcile.tasks.push_back(read_id<TaskId>(decoding, task, "task"));
  return reconcile;
}

SchedulerMessage read_scheduler_message(scheduler::SchedulerMessage::Reader in,
                                        Decoding& decoding) {
  using Wire = scheduler::SchedulerMessage;
  switch (in.which()) {
    case Wire::NONE: break;
    case Wire::SUBSCRIBE: return read_subscribe(decoding, in.getSubscribe());
    case Wire::SUBSCRIBED: return read_subscribed(decoding, in.getSubscribed());
    case Wire::REDIRECT: return read_redirect(decoding, in.getRedirect());
    case Wire::ERROR:
      return SchedulerError{.error = read(decoding, in.getError().getError()),
                            .fatal = in.getError().getFatal()};
    case Wire::OFFERS: return read_offers(decoding, in.getOffers());
    case Wire::RESCIND: return Rescind{.offer = read_offer_id(decoding, in.getRescind())};
    case Wire::ACCEPT: return read_accept(decoding, in.getAccept());
    case Wire::DECLINE: return read_decline(decoding, in.getDecline());
    case Wire::SUPPRESS: return Suppress{};
    case Wire::REVIVE: return Revive{};
    case Wire::KILL: return Kill{.task = read_id<TaskId>(decoding, in.getKill(), "task")};
    case Wire::UPDATE: return read_update(decoding, in.getUpdate());
    case Wire::ACKNOWLEDGE: return read_acknowledge(decoding, in.getAcknowledge());
    case Wire::RECONCILE: return read_reconcile(decoding, in.getReconcile());
    case Wire::TEARDOWN: return Teardown{};
    case Wire::PING: return SchedulerPing{};
    case Wire::PONG: return SchedulerPong{};
  }
  decoding.fail("its kind is not known here");
  return {};
}

}  // namespace

Bytes encode(const SchedulerMessage& message) {
  return encode_as<scheduler::SchedulerMessage>([&](scheduler::SchedulerMessage::Builder root) {
    std::visit([&](const auto& body) { write_message(root, body); }, message);
  });
}

Result<SchedulerMessage> decode_scheduler_message(ByteView bytes) {
  return decode_as<scheduler::SchedulerMessage>(
      bytes, Errc::protocol, "message on the scheduler lane", read_scheduler_message);
}

}  // namespace cluster::wire
