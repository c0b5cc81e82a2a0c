#include "cli/segment_views.h"

#include "base/log.h"
#include "clickhouse/schema.h"

#include <fmt/format.h>

namespace tidemark::cli {
namespace {

// `acme.high_fit` is the segment high_fit of the tenant acme; an entity of two columns is (tenant, entity).
constexpr const char* names =
    "if(position(toString(segment), '.') > 0, splitByChar('.', toString(segment))[1], if(startsWith(entity, "
    "'[\"') AND JSONLength(entity) = 2, JSONExtractString(entity, 1), '')) AS tenant_id, "
    "if(position(toString(segment), '.') > 0, substring(toString(segment), position(toString(segment), '.') "
    "+ 1), "
    "toString(segment)) AS segment_id, if(startsWith(entity, '[\"') AND JSONLength(entity) = 2, "
    "JSONExtractString(entity, 2), entity) AS entity_id";

Status make_view(clickhouse::Client& client, const char* name, const std::string& select) {
  auto engine = TRY(client.query_text(fmt::format(
      "SELECT engine FROM system.tables WHERE database = 'cdp' AND name = '{}' FORMAT TSV", name)));
  if (!engine.empty() && engine != "View\n") {
    log::info("cdp.{} is a table of its own and stays; memberships are in tidemark.segment_intervals", name);
    return {};
  }
  // Readers see no table of ours, so the view reads with our rights.
  return client.execute(fmt::format(
      "CREATE OR REPLACE VIEW cdp.{} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS {}", name, select));
}

}  // namespace

Status make_segment_views(clickhouse::Client& client) {
  TRY_VOID(client.execute("CREATE DATABASE IF NOT EXISTS cdp"));
  TRY_VOID(make_view(
      client, "segment_membership",
      fmt::format("SELECT {}, toUInt8(exited_at IS NULL) AS is_member, entered_at, exited_at, seq AS "
                  "version, toString(segment) AS segment, entity, toString(entered_by) AS entered_by, "
                  "toString(exited_by) AS exited_by FROM tidemark.segment_intervals",
                  names)));
  return make_view(
      client, "notifications",
      fmt::format(
          "SELECT seq, {}, if(entered = 1, 'segment.entered', 'segment.exited') AS type, toString(cause) AS "
          "cause, happened_at, destinations, data, toString(segment) AS segment, entity FROM (SELECT * FROM "
          "tidemark.segment_changes UNION ALL SELECT * FROM tidemark.segment_announcements) WHERE "
          "notEmpty(destinations)",
          names));
}

}  // namespace tidemark::cli
