// Words and numbers between people and the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::app {

// "500ms", "15s", "2m", "1h", "1.5s".
Result<Duration> parse_duration(std::string_view text);
std::string to_text(Duration);

// "0.4s", "12s", "3m", "2h", "4d": how long ago, short.
std::string age_text(Duration);
Duration age_of(WallTime since);  // Against this machine's clock; never negative.
std::string iso_text(WallTime);   // "2026-01-31T12:00:00.123Z"; "" for none.

// 16 hexadecimal digits.
std::string to_hex(ClusterUid);
Result<ClusterUid> parse_cluster_uid(std::string_view text);

// A new id that begins with `name` as far as ids allow: "web-1f0c9a3b".
JobId new_job_id(std::string_view name);

// The known word that was probably meant; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "1 task", "3 tasks".
std::string count_of(std::size_t n, std::string_view noun);

// One line on standard error, "cluster: ...".
void complain(std::string_view text);
// Says what is wrong and gives the exit code for it: 2 for what the caller wrote, else 1.
int fail(const Error&);

}  // namespace cluster::app
