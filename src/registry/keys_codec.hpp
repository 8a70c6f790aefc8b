// Answers as bytes, for snapshots: see keys_command.hpp for commands.
#pragma once

#include "registry/keys_bytes.hpp"
#include "registry/keys_command.hpp"

namespace cluster::registry {

void write(ByteWriter&, const Result<KeyAnswer>&);
// When the reader is not sound afterwards, what is returned means nothing.
Result<KeyAnswer> read_answer(ByteReader&);

}  // namespace cluster::registry
