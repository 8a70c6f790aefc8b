#include "registry/digest_check.hpp"

#include <algorithm>

#include "registry/digest.hpp"
#include "registry/format.hpp"

namespace cluster::registry {

ReportDigest DigestCheck::compare(Position at, const Digest& own) {
  at_ = at;
  own_ = own;
  said_.clear();
  right_.reset();
  return {.at = at,
          .member = self_,
          .version = digest_version,
          .digest = own,
          .reads = format_newest()};
}

DigestCheck::Verdict DigestCheck::on(const ReportDigest& report,
                                     const std::vector<NodeId>& judges) {
  // Of an older position, or of another version's way of making digests: no news.
  if (!at_ || report.at != at_ || report.version != digest_version) return Verdict::open;
  said_[report.member] = report.digest;
  std::map<Digest, std::size_t> counts;
  std::size_t heard = 0;
  for (NodeId judge : judges) {
    auto said = said_.find(judge);
    if (said == said_.end()) continue;
    ++heard;
    ++counts[said->second];
  }
  for (const auto& [digest, count] : counts) {
    if (count * 2 > judges.size()) right_ = digest;
  }
  if (right_ && *right_ != own_) return Verdict::odd;
  if (!different_ones().empty()) return Verdict::differ;
  return heard == judges.size() ? Verdict::agreed : Verdict::open;
}

std::vector<NodeId> DigestCheck::right_ones() const {
  std::vector<NodeId> found;
  for (const auto& [member, digest] : said_) {
    if (right_ && digest == *right_) found.push_back(member);
  }
  return found;
}

std::vector<NodeId> DigestCheck::different_ones() const {
  std::vector<NodeId> found;
  for (const auto& [member, digest] : said_) {
    if (digest != own_) found.push_back(member);
  }
  return found;
}

}  // namespace cluster::registry
