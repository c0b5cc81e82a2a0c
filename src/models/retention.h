// `-- ttl: <time> + INTERVAL n DAY`: how long a model keeps its rows.
//
// The promise is that a model equals its recompute at any moment, so what is too old is hidden by a condition
// that the public view and the recompute share; when the store really deletes it is then nobody's concern.
// The condition moves once an hour, not every second, so that two sides of one comparison see the same
// moment. The store's own TTL comes an hour later still: it never takes what the condition shows.
//
// Times are compared as UTC seconds from 1970 to 2105, the range of a store's TTL; later ones are kept for
// ever. A NULL time does not expire.
#pragma once

#include "models/model_source.h"

#include <optional>
#include <string>

namespace tidemark::models {

class Retention {
 public:
  // Of a model that is this SELECT; nothing without a `-- ttl:`. false: complaints say what is wrong.
  static bool read(const ModelSource& source, const std::string& select, std::optional<Retention>& retention);

  // "SELECT * FROM (<select>) WHERE <not too old>". The first line of `select` stays the first line.
  std::string applied_to(const std::string& select) const;
  // " TTL ..." of the store.
  std::string clause() const;

 private:
  std::string kept_until_;  // DateTime('UTC')
};

}  // namespace tidemark::models
