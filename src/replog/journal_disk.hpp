// A journal's files on a real disk: direct I/O where the file system takes it.
#pragma once

#include "replog/journal_files.hpp"

namespace cluster::replog::journal {

enum class Access : std::uint8_t { read_only, read_write };

// The directory must exist.
std::unique_ptr<Folder> open_folder(const std::string& directory, Access = Access::read_write);

}  // namespace cluster::replog::journal
