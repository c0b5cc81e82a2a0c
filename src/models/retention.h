// `-- ttl: <time> + INTERVAL n DAY`: how long a model keeps its rows.
//
// The promise is that a model equals its recompute at any moment, so what is too old is hidden by a condition
// that the public view and the recompute share; when the store really deletes it is then nobody's concern.
// The condition moves once an hour, not every second, so that two sides of one comparison see the same
// moment. The store's own TTL comes an hour later still: it never takes what the condition shows. A store
// that keeps the newest version of a row has one only where the time is of its key: a TTL that took the
// newest version before older ones would bring these back.
//
// Times are compared as UTC seconds from 1970 to 2105, the range of a store's TTL; later ones are kept for
// ever. A NULL time does not expire.
#pragma once

#include "models/model_source.h"

#include <optional>
#include <string>
#include <string_view>

namespace tidemark::models {

class Retention {
 public:
  // Of a model that is this SELECT; nothing without a `-- ttl:`. false: complaints say what is wrong.
  static bool read(const ModelSource& source, const std::string& select, std::optional<Retention>& retention);

  // "SELECT * FROM (<select>) WHERE <not too old>". The first line of `select` stays the first line.
  std::string applied_to(const std::string& select) const;
  // " TTL ..." of the store of this engine; empty: it must keep them.
  std::string clause(std::string_view engine) const;

 private:
  std::string kept_until_;  // DateTime('UTC')
  bool of_key_ = true;      // every version of a row has the same
};

}  // namespace tidemark::models
