// A name for bytes: what is sent without an id of its own is known by it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tidemark::ingest {

// Half of SHA-256, 32 hexadecimal digits.
std::string content_hash(std::string_view bytes);

}  // namespace tidemark::ingest
