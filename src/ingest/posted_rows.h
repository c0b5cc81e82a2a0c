// Rows that are posted as lines of JSON to a table of a source: what its columns are, and which lines can be
// taken. The decoder is that of Kafka's messages, so values are written the same way (docs/KAFKA.md). Pure.
#pragma once

#include "config/event_source.h"
#include "ingest/captured_table.h"
#include "ingest/tracking_document.h"
#include "kafka/message_decoder.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

kafka::TableShape posted_shape(const config::PostedTable& table);
CapturedTable captured_rows(const config::PostedTable& table, bool has_changes);
// Takes one object a message.
kafka::MessageDecoder line_decoder(const kafka::TableShape& shape);

// Splits a body into lines; empty ones are passed over. `take` gets the number of the line, from 0.
template <class Take>
void each_line(std::string_view body, Take take) {
  for (size_t number = 0; !body.empty(); ++number) {
    size_t end = body.find('\n');
    std::string_view line = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty()) take(number, line);
  }
}

// Looks at every line: the good ones and the refused ones go into the record.
void read_lines(const config::PostedTable& table, std::string_view body, EventRecordWriter& out,
                std::vector<ItemReason>& reasons);

}  // namespace tidemark::ingest
