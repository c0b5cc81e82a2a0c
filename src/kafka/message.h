// A message as the client hands it out: views into its memory, valid until the next poll.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::kafka {

struct Message {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;                               // nothing: a tombstone
  int64_t timestamp_ms = 0;                                            // 0: none
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // of messages made by hand

  // The client's message and its way to headers: most are never looked at.
  const void* native = nullptr;
  std::optional<std::string_view> (*find_header)(const void* native, const char* name) = nullptr;

  std::optional<std::string_view> header(const char* name) const {
    if (find_header != nullptr) return find_header(native, name);
    for (const auto& [known, text] : headers)
      if (known == name) return text;
    return std::nullopt;
  }
};

// A partition and the place in it: the offset of the next message.
struct Position {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;

  bool operator==(const Position&) const = default;
};

}  // namespace tidemark::kafka
