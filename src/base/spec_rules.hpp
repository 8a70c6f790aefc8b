// What tasks and jobs have in common when they are judged: each rule answers with one line that
// says what is wrong and what would be right, or with nothing when all is well.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cluster/resources.hpp"
#include "cluster/task.hpp"

namespace cluster::rules {

inline constexpr std::size_t name_length_max = 255;
inline constexpr std::size_t text_length_max = 1024;  // Of names that are only shown.
inline constexpr Duration kill_grace_max = std::chrono::hours(1);
// An entry of the log holds 1 MiB; a spec leaves room in it for what a command says beside it.
inline constexpr std::size_t spec_size_max = (1u << 20) - (64u << 10);
inline constexpr Scalar scalar_max = Scalar::thousandths(100'000'000'000'000);

// Whether `text` can name a task, job, stage, agent or framework: 1 to 255 of [A-Za-z0-9._-], and
// not "." or "..", since ids become names of directories.
bool is_id(std::string_view text);

// `what` opens the sentence: "the task's id".
std::string problem_of_id(std::string_view what, std::string_view id);
std::string problem_of_text(std::string_view what, std::string_view text);
std::string problem_of_environment(std::string_view what, const Command&);
std::string problem_of_command(std::string_view what, const Command&);  // With its environment.
std::string problem_of_resources(std::string_view what, const Resources&);
std::string problem_of_grace(std::string_view what, Duration);
std::string problem_of_size(std::string_view what, std::size_t);

// How large these are when encoded, a little over rather than under.
std::size_t size_of(std::string_view);
std::size_t size_of(const Command&);
std::size_t size_of(const Resources&);

}  // namespace cluster::rules
