#include "registry/remote_keys.hpp"

#include <utility>

#include "registry/keys_codec.hpp"

namespace cluster::registry {
namespace {

constexpr std::uint8_t format_version = 1;

enum Shape : std::uint8_t { wants_puts = 1, wants_deletes = 2, is_endless = 4 };
constexpr std::uint8_t shapes = 7;

Result<void> check_version(ByteReader& in, const char* what) {
  const std::uint8_t version = in.byte();
  if (version == format_version) return {};
  if (version > format_version) {
    return {Errc::unsupported, std::string(what) + " in format " + std::to_string(version) +
                                   "; this version reads " + std::to_string(format_version)};
  }
  return {Errc::protocol, std::string(what) + " of no format"};
}

Error contradicts(const char* what, ByteView bytes) {
  return {Errc::protocol, std::string(what) + " of " + std::to_string(bytes.size()) +
                              " bytes that contradict themselves"};
}

}  // namespace

Bytes encode(const KeyWatchQuestion& question) {
  ByteWriter out;
  out.byte(format_version);
  out.byte(static_cast<std::uint8_t>((question.puts ? wants_puts : 0) |
                                     (question.deletes ? wants_deletes : 0) |
                                     (question.range.is_endless ? is_endless : 0)));
  out.text(question.space);
  out.text(question.range.begin);
  out.text(question.range.end);
  out.number(question.from.value());
  return Bytes(out.take());
}

Result<KeyWatchQuestion> decode_key_watch_question(ByteView bytes) {
  constexpr const char* what = "a question for changes of keys";
  ByteReader in(bytes);
  if (auto version = check_version(in, what); !version) return std::move(version).error();
  const std::uint8_t shape = in.byte();
  KeyWatchQuestion question{.space = std::string(in.text())};
  question.range.begin = std::string(in.text());
  question.range.end = std::string(in.text());
  question.range.is_endless = (shape & is_endless) != 0;
  question.from = Revision(in.number());
  question.puts = (shape & wants_puts) != 0;
  question.deletes = (shape & wants_deletes) != 0;
  const bool is_right = (shape & ~shapes) == 0 && question.from.value() != 0;
  if (!in.is_sound() || !in.at_end() || !is_right) return contradicts(what, bytes);
  return question;
}

Bytes encode(const WatchBatch& batch) {
  ByteWriter out;
  out.byte(format_version);
  out.number(batch.upto.value());
  out.number(batch.events.size());
  for (const KeyEvent& event : batch.events) {
    out.byte(static_cast<std::uint8_t>(event.kind));
    out.text(event.now.key);
    out.number(event.now.modified.value());
    if (event.kind == KeyEvent::Kind::deleted) continue;
    out.text(event.now.value.view());
    out.number(event.now.created.value());
    out.number(event.now.version);
    out.number(event.now.lease.value());
  }
  return Bytes(out.take());
}

Result<WatchBatch> decode_watch_batch(ByteView bytes) {
  constexpr const char* what = "changes of keys";
  ByteReader in(bytes);
  if (auto version = check_version(in, what); !version) return std::move(version).error();
  WatchBatch batch{.upto = Revision(in.number())};
  for (std::size_t left = in.count(); left > 0 && in.is_sound(); --left) {
    KeyEvent event;
    event.kind = in.flag() ? KeyEvent::Kind::deleted : KeyEvent::Kind::put;
    event.now.key = std::string(in.text());
    event.now.modified = Revision(in.number());
    if (event.kind == KeyEvent::Kind::put) {
      event.now.value = Bytes(in.text());
      event.now.created = Revision(in.number());
      event.now.version = in.number();
      event.now.lease = LeaseId(in.number());
    }
    batch.events.push_back(std::move(event));
  }
  if (!in.is_sound() || !in.at_end()) return contradicts(what, bytes);
  batch.is_progress = batch.events.empty();
  return batch;
}

Bytes encode_answer(const Result<KeyAnswer>& answer) {
  ByteWriter out;
  out.byte(format_version);
  write(out, answer);
  return Bytes(out.take());
}

Result<Result<KeyAnswer>> decode_answer(ByteView bytes) {
  constexpr const char* what = "an answer about keys";
  ByteReader in(bytes);
  if (auto version = check_version(in, what); !version) return std::move(version).error();
  Result<KeyAnswer> answer = read_answer(in);
  if (!in.is_sound() || !in.at_end()) return contradicts(what, bytes);
  const bool is_known =
      answer || (answer.error().code <= errc_last && answer.error().code != Errc::ok);
  if (!is_known) return contradicts(what, bytes);
  if (answer) answer->is_repeated = false;  // Which of the times it was asked is nobody's business.
  return Result<Result<KeyAnswer>>(std::move(answer));
}

}  // namespace cluster::registry
