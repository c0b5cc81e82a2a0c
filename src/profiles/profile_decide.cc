// The keeper and decisions: two ids that a person says are not one's, whatever their events and rows say.
// A decision is written down before the ids are looked at again; every start looks at all of them again, so
// a kill between the two leaves nothing undone.
#include "clickhouse/schema.h"
#include "profiles/id_sql.h"
#include "profiles/profile_keeper.h"

#include <fmt/ranges.h>

namespace tidemark::profiles {

using clickhouse::quote_string;

Result<std::pair<std::string, std::string>> Keeper::decide(const std::string& one, const std::string& other,
                                                           bool apart, const Follow& follow) {
  std::lock_guard lock(mutex_);
  if (stale_) return fail(ErrorKind::conflict, "profiles are being made", "try again in a moment");
  TRY_VOID(close(follow));
  auto profiles_of = [&]() -> Result<std::pair<std::string, std::string>> {
    auto places = TRY(placed({one, other}));
    for (const auto& id : {one, other})
      if (!places.contains(id))
        return fail(ErrorKind::config, fmt::format("nobody is known as `{}`", id),
                    "an id with its kind, like user_id:42 or email:ann@example.com");
    return std::pair(places.at(one).profile, places.at(other).profile);
  };
  auto before = TRY(profiles_of());
  if (apart && before.first != before.second)
    return fail(ErrorKind::conflict, fmt::format("{} and {} are two people already", one, other));
  // The same decision, whoever is named first.
  std::string pair = fmt::format("{}, [{}], [{}]", quote_string(definition_.name()),
                                 quote_string(std::min(one, other)), quote_string(std::max(one, other)));
  bool known = false;
  TRY_VOID(
      each(fmt::format(
               "SELECT count() FROM tidemark.profile_decisions FINAL WHERE (profiles, one, other) = ({}) AND "
               "taken_back = 0",
               pair),
           [&](const Block& block) -> Status {
             known = block.columns[0].get<uint64_t>(0) > 0;
             return {};
           }));
  if (!apart && !known)
    return fail(ErrorKind::config, fmt::format("nobody keeps {} and {} apart", one, other),
                "tidemark profile unmerge does");
  TRY_VOID(execute(
      fmt::format("INSERT INTO tidemark.profile_decisions (profiles, one, other, taken_back) VALUES ({}, {})",
                  pair, apart ? 0 : 1)));
  Change change;
  change.ids = {one, other};
  TRY_VOID(write(change, follow));
  return profiles_of();
}

Status Keeper::look_at_decisions(const Follow& follow) {
  std::lock_guard lock(mutex_);
  if (stale_) return {};
  Change change;
  TRY_VOID(each(fmt::format("SELECT DISTINCT arrayJoin(arrayConcat(one, other)) FROM "
                            "tidemark.profile_decisions FINAL WHERE profiles = {}",
                            quote_string(definition_.name())),
                [&](const Block& block) -> Status {
                  for (size_t row = 0; row < block.rows(); ++row)
                    change.ids.emplace(block.columns[0].text(row));
                  return {};
                }));
  if (change.ids.empty()) return {};
  TRY_VOID(close(follow));
  return write(change, follow);
}

}  // namespace tidemark::profiles
