#include "config/environment.h"

#include "base/limits.h"

#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <system_error>

namespace tidemark::config {
namespace {

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

// Where the text of a `${...}` stands in the file, at or after the beginning of the value it is part of.
Location locate(const Report& report, const Location& value, std::string_view reference) {
  const std::string& text = report.text_of(value.file);
  size_t begin = 0;
  for (int line = 1; line < value.line; ++line) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) return value;
    begin = end + 1;
  }
  size_t from = begin + static_cast<size_t>(std::max(value.column, 1) - 1);
  size_t found = text.find(reference, from);
  if (found == std::string::npos) return value;
  Location where = value;
  size_t line_begin = begin;
  for (size_t i = begin; i < found; ++i)
    if (text[i] == '\n') {
      ++where.line;
      line_begin = i + 1;
    }
  where.column = static_cast<int>(found - line_begin) + 1;
  return where;
}

}  // namespace

Environment::Environment(bool offline, Lookup lookup)
    : offline_(offline), lookup_(lookup ? std::move(lookup) : Lookup(process_environment)) {}

void Environment::missing(Report& report, const Location& where, std::string message,
                          std::string remedy) const {
  if (offline_)
    report.warning(where, std::move(message), std::move(remedy));
  else
    report.error(where, std::move(message), std::move(remedy));
}

std::optional<std::string> Environment::lookup(Report& report, const Location& where,
                                               const std::string& scheme, const std::string& name) const {
  if (scheme == "env") {
    size_t otherwise = name.find(":-");
    if (auto value = lookup_(name.substr(0, otherwise))) return value;
    if (otherwise != std::string::npos) return name.substr(otherwise + 2);
    missing(report, where, fmt::format("the environment variable {} is not set", name),
            fmt::format("Set it, for example: export {}=...", name));
    return std::nullopt;
  }
  std::filesystem::path path = report.root() / name;
  std::error_code failure;
  auto size = std::filesystem::file_size(path, failure);
  if (failure) {
    missing(report, where, fmt::format("cannot read the file {}: {}", name, failure.message()),
            "Create it, readable by this user only (chmod 600).");
    return std::nullopt;
  }
  if (size > limits::config_secret_bytes_max) {
    report.error(where, fmt::format("the file {} has {} bytes; at most {} are read as a value", name, size,
                                    limits::config_secret_bytes_max));
    return std::nullopt;
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream.is_open()) {
    missing(report, where, fmt::format("cannot read the file {}", name),
            "Check that it may be read by this user.");
    return std::nullopt;
  }
  std::string value{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  return value;
}

std::optional<std::string> Environment::substitute(Report& report, const Location& where,
                                                   const std::string& value) const {
  std::string out;
  bool complete = true;
  size_t at = 0;
  while (at < value.size()) {
    size_t dollar = value.find("${", at);
    if (dollar == std::string::npos) {
      out.append(value, at);
      break;
    }
    if (dollar > at && value[dollar - 1] == '$') {
      out.append(value, at, dollar - 1 - at);
      out += "${";
      at = dollar + 2;
      continue;
    }
    out.append(value, at, dollar - at);
    size_t close = value.find('}', dollar);
    std::string reference = value.substr(dollar, close == std::string::npos ? close : close + 1 - dollar);
    Location place = locate(report, where, reference);
    if (close == std::string::npos) {
      report.error(place, "`${` without its `}`", "Write $${ where ${ itself is meant.");
      return std::nullopt;
    }
    std::string inside = value.substr(dollar + 2, close - dollar - 2);
    size_t colon = inside.find(':');
    std::string scheme = inside.substr(0, colon);
    std::string name = colon == std::string::npos ? "" : inside.substr(colon + 1);
    if ((scheme != "env" && scheme != "file") || name.empty()) {
      report.error(place, fmt::format("`{}` is not known", reference),
                   "Write ${env:NAME} for an environment variable or ${file:/path} for a file's content.");
      complete = false;
    } else if (auto found = lookup(report, place, scheme, name)) {
      report.conceal(*found, reference);
      out += *found;
    } else {
      complete = false;
    }
    at = close + 1;
  }
  if (!complete) return std::nullopt;
  return out;
}

}  // namespace tidemark::config
