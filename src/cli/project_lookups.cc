#include "cli/project_lookups.h"

#include "base/log.h"
#include "models/lookups.h"

namespace tidemark::cli {

Status make_lookups(clickhouse::Client& client, const config::Project& project) {
  auto mistakes = TRY(models::prepare_lookups(client, project, models::LookupChanges::all));
  if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
  for (const auto& source : project.sources)
    for (const auto& table : source.live)
      log::info("live: {} of source {} is read from Postgres by each query, as of no commit", table,
                source.name);
  for (const auto& dictionary : project.dictionaries)
    if (dictionary.live())
      log::info("live: dictionary {} reads {} of source {}, at most {} s old, as of no commit",
                dictionary.full_name(), dictionary.table, dictionary.source, dictionary.lifetime_seconds);
  return {};
}

}  // namespace tidemark::cli
