// Records as Airbyte writes them into files: what was extracted in an envelope,
//   {"_airbyte_raw_id": "...", "_airbyte_extracted_at": 1714666000000, "_airbyte_meta": {}, "_airbyte_data":
//   {...}}
// (before 2023 `_airbyte_ab_id`, `_airbyte_emitted_at`; in CSV `_airbyte_data` is a text). Unwrapped they are
// what Airbyte writes when it is told to flatten at the root, and what it puts into tables: the object's own
// members beside those of the envelope. Values stay the texts they are written in.
#pragma once

#include "ingest/json_members.h"

#include <string>
#include <string_view>

namespace tidemark::ingest {

// One a reader; not thread-safe.
class AirbyteRecord {
 public:
  // `json`, or what is in its envelope; the view lives until the next call. A member that both have is the
  // object's.
  std::string_view unwrap(std::string_view json);

 private:
  JsonMembers members_;
  std::vector<JsonField> envelope_, object_;
  std::string text_;
};

}  // namespace tidemark::ingest
