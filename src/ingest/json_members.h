// A JSON document one level deep: its members or elements as the texts they are written in, so that what is
// kept of a document is what was sent, digit by digit. All of it is looked at: what is kept is JSON.
//
// One a reader, used again and again; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

struct JsonField {
  std::string name;
  std::string json;  // the value as it stands there
  std::string text;  // of a string what it says, of a number its digits; else empty
};

// An empty one when there is none of that name.
const JsonField& field_of(const std::vector<JsonField>& fields, std::string_view name);

class JsonMembers {
 public:
  JsonMembers();
  ~JsonMembers();
  JsonMembers(const JsonMembers&) = delete;
  JsonMembers& operator=(const JsonMembers&) = delete;

  // False: `text` is no object (no array) and nothing else, or something in it is no JSON.
  bool open_object(std::string_view text, std::vector<JsonField>& fields);
  bool open_array(std::string_view text, std::vector<std::string>& elements);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::ingest
