// Bodies that clients compress. Pure.
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace tidemark::http {

// Does it begin as gzip does?
bool is_gzip(std::string_view bytes);
// gzip or zlib, several members one after the other too. Errors: corrupt; limit when it would be larger than
// `bytes_max` (small bodies can hold very large ones).
Result<std::string> gunzip(std::string_view bytes, size_t bytes_max);

}  // namespace tidemark::http
