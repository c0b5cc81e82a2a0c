#include "cli/segment_outbox.h"

#include "config/diagnostic.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace tidemark::cli {
namespace {

// What is told when it happens, and what is told later (segments/announcements.h).
struct Told {
  const char* table;
  const char* view;
};
constexpr Told told[] = {{"tidemark.segment_changes", "tidemark.outbox_of_segments"},
                         {"tidemark.segment_announcements", "tidemark.outbox_of_announcements"}};

std::string select_of(const char* table) {
  return fmt::format(
      "SELECT seq, if(entered = 1, 'segment.entered', 'segment.exited') AS kind, toString(segment) AS "
      "subject, toString(version) AS subject_version, entity, previous_seq AS prev_seq, toString(cause) AS "
      "cause, toDateTime64(happened_at, 3, 'UTC') AS happened_at, destinations, data FROM {} WHERE "
      "notEmpty(destinations)",
      table);
}

}  // namespace

Status connect_outbox(clickhouse::Client& client, bool wanted) {
  std::vector<std::string> missing;
  for (const auto& [table, view] : told) {
    if (!wanted) {
      TRY_VOID(client.execute(fmt::format("DROP VIEW IF EXISTS {} SYNC", view)));
      continue;
    }
    TRY_VOID(client.execute(fmt::format("CREATE MATERIALIZED VIEW IF NOT EXISTS {} TO tidemark.outbox AS {}",
                                        view, select_of(table))));
    missing.push_back(select_of(table) + " AND seq > (SELECT max(seq) FROM tidemark.outbox)");
  }
  if (!wanted) return {};
  // Of the moments before now only: what was for nobody then is not told today. One INSERT: each asks what
  // the newest is.
  return client.execute(fmt::format(
      "INSERT INTO tidemark.outbox (seq, kind, subject, subject_version, entity, prev_seq, cause, "
      "happened_at, destinations, data) SELECT * FROM ({}) WHERE (SELECT count() FROM "
      "tidemark.outbox) > 0",
      fmt::join(missing, " UNION ALL ")));
}

notify::Outbox::News outbox_rows(uint64_t after, const std::vector<segments::MembershipChange>& changes) {
  notify::Outbox::News news;
  news.after = news.complete_to = after;
  for (const auto& change : changes) {
    news.complete_to = change.seq;
    if (change.destinations.empty()) continue;
    news.rows.push_back({.notification = {.seq = change.seq,
                                          .kind = change.entered ? "segment.entered" : "segment.exited",
                                          .subject = change.segment,
                                          .subject_version = change.version,
                                          .entity = change.entity,
                                          .prev_seq = change.previous_seq,
                                          .cause = change.cause,
                                          .happened_at_ms = change.happened_at / 1000,
                                          .data = change.data},
                         .destinations = change.destinations});
  }
  return news;
}

std::vector<config::Diagnostic> unknown_destinations(const std::vector<segments::Definition>& definitions,
                                                     const std::vector<config::Destination>& destinations) {
  std::vector<std::string> names;
  for (const auto& destination : destinations) names.push_back(destination.name);
  std::vector<config::Diagnostic> errors;
  for (const auto& definition : definitions)
    for (const auto& name : definition.notify)
      if (std::find(names.begin(), names.end(), name) == names.end())
        errors.push_back(
            {.where = definition.where,
             .message = fmt::format("segment {} notifies `{}`, and there is no such destination{}",
                                    definition.name, name, config::did_you_mean(name, names)),
             .remedy = "Add destinations/" + name + ".yaml, or take the name out of `notify`.",
             .source_line = {}});
  return errors;
}

}  // namespace tidemark::cli
