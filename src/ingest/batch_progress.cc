#include "ingest/batch_progress.h"

#include "ingest/batch_limits.h"

#include <boost/json.hpp>
#include <set>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

json::value optional_text(const std::optional<std::string>& text) {
  return text ? json::value(json::string(*text)) : json::value(nullptr);
}
std::optional<std::string> optional_text(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  return std::string(value.as_string());
}

json::object to_object(const TableProgress& table) {
  json::array after;
  for (const auto& text : table.after) after.emplace_back(json::string(text));
  json::array pending;
  for (const auto& checkpoint : table.pending)
    pending.push_back(
        json::object{{"number", checkpoint.number}, {"cursor", optional_text(checkpoint.cursor)}});
  return {{"loaded", table.loaded},
          {"reading", table.reading},
          {"nulls", table.nulls},
          {"after", std::move(after)},
          {"from", optional_text(table.from)},
          {"next_from", optional_text(table.next_from)},
          {"pending", std::move(pending)},
          {"walk", table.walk},
          {"read_micros", table.read_micros},
          {"compared_micros", table.compared_micros}};
}

TableProgress table_of(const json::object& object) {
  TableProgress table;
  table.loaded = object.at("loaded").as_bool();
  table.reading = object.at("reading").as_bool();
  table.nulls = object.at("nulls").as_bool();
  for (const auto& text : object.at("after").as_array()) table.after.emplace_back(text.as_string());
  table.from = optional_text(object.at("from"));
  table.next_from = optional_text(object.at("next_from"));
  for (const auto& checkpoint : object.at("pending").as_array())
    table.pending.push_back({.number = checkpoint.at("number").to_number<uint64_t>(),
                             .cursor = optional_text(checkpoint.at("cursor"))});
  table.walk = object.at("walk").as_string();
  table.read_micros = object.at("read_micros").to_number<int64_t>();
  table.compared_micros = object.at("compared_micros").to_number<int64_t>();
  return table;
}

json::object to_object(const postgres::OpenTransactions& open) {
  json::array running;
  for (const auto& transaction : open.running) running.emplace_back(json::string(transaction));
  return {{"standby", open.standby},
          {"running", std::move(running)},
          {"prepared", open.prepared},
          {"xmin", open.xmin},
          {"xmax", open.xmax}};
}

postgres::OpenTransactions open_of(const json::object& object) {
  postgres::OpenTransactions open;
  open.standby = object.at("standby").as_bool();
  for (const auto& transaction : object.at("running").as_array())
    open.running.emplace(transaction.as_string());
  open.prepared = object.at("prepared").as_bool();
  open.xmin = object.at("xmin").to_number<uint64_t>();
  open.xmax = object.at("xmax").to_number<uint64_t>();
  return open;
}

}  // namespace

std::string SourceProgress::to_json() const {
  json::object open_list;
  for (const auto& [number, transactions] : open) open_list[std::to_string(number)] = to_object(transactions);
  json::object table_list;
  for (const auto& [name, table] : tables) table_list[name] = to_object(table);
  return json::serialize(json::object{{"run", run},
                                      {"as_of_micros", as_of_micros},
                                      {"answered", answered},
                                      {"checkpoints", checkpoints},
                                      {"timeline", timeline},
                                      {"open", std::move(open_list)},
                                      {"tables", std::move(table_list)}});
}

Result<SourceProgress> SourceProgress::from_json(std::string_view text) try {
  json::value document = json::parse({text.data(), text.size()});
  SourceProgress progress;
  progress.run = document.at("run").to_number<uint64_t>();
  progress.as_of_micros = document.at("as_of_micros").to_number<int64_t>();
  progress.answered = document.at("answered").to_number<uint64_t>();
  progress.checkpoints = document.at("checkpoints").to_number<uint64_t>();
  progress.timeline = document.at("timeline").to_number<uint32_t>();
  for (const auto& entry : document.at("open").as_object())
    progress.open[std::strtoull(std::string(entry.key()).c_str(), nullptr, 10)] =
        open_of(entry.value().as_object());
  for (const auto& entry : document.at("tables").as_object())
    progress.tables[std::string(entry.key())] = table_of(entry.value().as_object());
  return progress;
} catch (const std::exception& error) {
  return fail(ErrorKind::corrupt,
              fmt::format("the progress of a batch source cannot be read: {}", error.what()),
              "load the source again with: tidemark up --recopy");
}

void SourceProgress::look(const postgres::OpenTransactions& now) {
  for (auto& [number, transactions] : open) transactions = postgres::still_open(transactions, now);
}

void SourceProgress::begin_read(TableProgress& table, const CursorCheckpoint& checkpoint) {
  table.reading = true;
  table.nulls = false;
  table.after.clear();
  table.from = table.next_from;
  table.pending.push_back(checkpoint);
  for (size_t index = table.pending.size(); index-- > 0;) {
    auto transactions = open.find(table.pending[index].number);
    if (transactions != open.end() && !postgres::all_ended(transactions->second)) continue;
    table.next_from = table.pending[index].cursor;
    table.pending.erase(table.pending.begin(), table.pending.begin() + static_cast<ptrdiff_t>(index) + 1);
    break;
  }
  // The oldest is the next to be trusted, the newest the best: one in between goes.
  if (table.pending.size() > limits::batch_checkpoints_max) table.pending.erase(table.pending.end() - 2);
}

void SourceProgress::forget() {
  std::set<uint64_t> wanted;
  for (const auto& [name, table] : tables)
    for (const auto& checkpoint : table.pending) wanted.insert(checkpoint.number);
  std::erase_if(open, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

}  // namespace tidemark::ingest
