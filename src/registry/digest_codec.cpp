#include <algorithm>

#include "registry/digest_note.hpp"
#include "schema/registry.capnp.h"
#include "wire/capnp_io.hpp"

namespace cluster::registry {
namespace {

using Wire = cluster::schema::registry::Command;

DigestNote read_note(Wire::Reader in, wire::Decoding& decoding) {
  if (in.isCompareDigests()) return CompareDigests{.term = in.getCompareDigests().getTerm()};
  if (!in.isReportDigest()) {
    decoding.fail("it is no note about digests");
    return {};
  }
  auto report = in.getReportDigest();
  if (report.getAt() == 0 || report.getMember() == 0) {
    decoding.fail("a digest is reported without position or member");
  }
  return ReportDigest{.at = Position(report.getAt()),
                      .member = NodeId(report.getMember()),
                      .version = report.getVersion(),
                      .digest = {report.getLow(), report.getHigh()},
                      .reads = std::max<std::uint32_t>(report.getReads(), 1)};
}

}  // namespace

Bytes encode(const DigestNote& note) {
  return wire::encode_as<Wire>([&](Wire::Builder root) {
    if (const auto* compare = std::get_if<CompareDigests>(&note)) {
      root.initCompareDigests().setTerm(compare->term);
      return;
    }
    const auto& report = std::get<ReportDigest>(note);
    auto to = root.initReportDigest();
    to.setAt(report.at.value());
    to.setMember(report.member.value());
    to.setVersion(report.version);
    to.setLow(report.digest[0]);
    to.setHigh(report.digest[1]);
    to.setReads(report.reads);
  });
}

Result<DigestNote> decode_digest_note(ByteView bytes) {
  return wire::decode_as<Wire>(bytes, Errc::corrupt, "note about digests", read_note);
}

}  // namespace cluster::registry
