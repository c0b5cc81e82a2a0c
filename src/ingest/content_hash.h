// A name for bytes: what is sent without an id of its own is known by it. Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace tidemark::ingest {

// Half of SHA-256, 32 hexadecimal digits.
std::string content_hash(std::string_view bytes);
// Of several fields, which are told apart by their lengths.
std::string content_hash_of(std::initializer_list<std::string_view> fields);

}  // namespace tidemark::ingest
