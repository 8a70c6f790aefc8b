// The command line: what may be written, what each help says, and which command was meant.
//
// CLI11 is a heavy header; only the command_line*.cpp and main.cpp include it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "options.hpp"

namespace cluster::app {

// Set by the chosen command's callback; run after parsing.
using Chosen = std::function<int()>;

void add_daemon_commands(CLI::App&, Chosen&);  // master, agent, up, down
void add_client_commands(CLI::App&, Chosen&);  // run, submit, tasks ...
void add_member_commands(CLI::App&, Chosen&);  // init, members ...
void add_key_commands(CLI::App&, Chosen&);     // kv, lock, elect
void add_certs_command(CLI::App&, Chosen&);

// --certs and what may stand in its place, the same for every command that listens or dials.
// `otherwise` says what holds where none of them is given.
void add_security(CLI::App&, SecurityOptions&, const std::string& otherwise = {});

// The options by which a command finds its cluster.
void add_client(CLI::App&, ClientOptions&);
// A command that lists something, as a table or as JSON.
void add_list(CLI::App& root, Chosen&, const char* name, const char* help,
              int (*command)(const ListOptions&), const std::string& more);

// A duration option: "15s". Its help shows the present value.
CLI::Option* add_duration(CLI::App&, const std::string& name, std::chrono::microseconds& value,
                          const std::string& help);

}  // namespace cluster::app
