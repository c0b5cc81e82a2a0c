// Percent-encoding and query strings (RFC 3986, and "+" for a space in queries as forms write it). Strict: a
// stray or cut "%" and a NUL are errors, because what follows (routing, parameters) must not guess.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::http {

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
// For a name or value in a query.
std::string percent_encode(std::string_view text);
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);
// The host of a Host header without its port, in lower case; brackets of an IPv6 address removed.
std::string host_without_port(std::string_view host_header);
bool is_loopback_name(std::string_view host);

}  // namespace tidemark::http
