// What a query beside a cut finds may be half of that cut: an order without its customer. So whoever compares
// tables while a project writes to them asks again until no cut was under way.
//
//   begin() ── query ── at_rest() ──▶ true: no fence moved since begin(), nor for limits::fence_patience
//                              └────▶ false: one did; those that were under way are in now, so ask again
//
// Works from any process: it reads tidemark.cuts. A cut that takes longer than the patience and whose source
// fences nothing meanwhile is not seen. Threads: one.
#pragma once

#include "base/clock.h"
#include "clickhouse/client.h"

#include <map>
#include <string>

namespace tidemark::models {

class FenceWatch {
 public:
  // `client` must outlive it.
  explicit FenceWatch(clickhouse::Client& client) : client_(client) {}

  Status begin();
  // Errors: the warehouse is away.
  Result<bool> at_rest();

 private:
  using Fences = std::map<std::string, std::string>;  // by source: epoch, cut and LSN
  Result<Fences> fences();

  clickhouse::Client& client_;
  Fences began_, still_;  // still_: at which nothing moved for as long as patience lasts
};

}  // namespace tidemark::models
