// A file's bytes as they were meant: gzip and zstd are seen by their first bytes and unpacked, also several
// streams one after the other; a byte order mark of UTF-8 is dropped. In pieces, so that memory does not
// depend on the file.
//
// Also which file it is: a hash of all of its bytes, so that it is the same under another name and another
// one after a change.
//
// One thread. Errors: config (cannot be read), corrupt (not whole, or damaged), unsupported (UTF-16).
#pragma once

#include "base/error.h"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace tidemark::ingest {

// XXH3, 128 bits, 32 hexadecimal digits.
Result<std::string> file_identity(const std::filesystem::path& file);

// `take` gets the pieces in order; an error of it ends the reading and is returned. `read`, when given, is
// told how many bytes of the file were read so far.
Status each_piece(const std::filesystem::path& file, const std::function<Status(std::string_view)>& take,
                  const std::function<void(uint64_t)>& read = {});

}  // namespace tidemark::ingest
