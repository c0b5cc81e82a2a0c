#include "ingest/posted_rows.h"

#include "ingest/spool_limits.h"

namespace tidemark::ingest {

kafka::TableShape posted_shape(const config::PostedTable& table) {
  kafka::TableShape shape;
  for (const auto& [name, type] : table.columns) shape.columns.push_back({.name = name, .target = type});
  shape.key = table.key;
  return shape;
}

CapturedTable captured_rows(const config::PostedTable& table, bool has_changes) {
  postgres::SourceTable source{.schema = "public", .name = table.table};
  for (const auto& [name, type] : table.columns) {
    postgres::SourceColumn column;
    column.name = name;
    column.target = type;
    column.not_null = !type.nullable;
    source.columns.push_back(std::move(column));
  }
  for (size_t position = 0; position < table.key.size(); ++position)
    for (size_t index = 0; index < source.columns.size(); ++index)
      if (source.columns[index].name == table.key[position]) {
        source.columns[index].key_position = static_cast<int>(position);
        source.key.push_back(index);
      }
  CapturedTable captured = capture(std::move(source), table.key.empty(), has_changes);
  // Nobody says whether a row is new or takes the place of another.
  captured.repeats = true;
  return captured;
}

kafka::MessageDecoder line_decoder(const kafka::TableShape& shape) {
  return {shape, {.format = kafka::Format::json}};
}

void read_lines(const config::PostedTable& table, std::string_view body, EventRecordWriter& out,
                std::vector<ItemReason>& reasons) {
  kafka::MessageDecoder decoder = line_decoder(posted_shape(table));
  Block scratch;
  for (const auto& [name, type] : table.columns) scratch.add(name, type);
  each_line(body, [&](size_t number, std::string_view line) {
    const auto& decoded = decoder.decode({.value = line}, scratch);
    if (decoded.kind == kafka::Decoded::Kind::rows) {
      out.add_line(line);
      return;
    }
    std::string reason = decoded.kind == kafka::Decoded::Kind::refused ? decoded.reason : "it is no row";
    if (!decoded.column.empty()) reason = decoded.column + ": " + reason;
    out.refuse(reason, line.substr(0, limits::event_quarantine_bytes_max));
    reasons.push_back({.index = number, .code = "bad_row", .reason = std::move(reason)});
  });
}

}  // namespace tidemark::ingest
