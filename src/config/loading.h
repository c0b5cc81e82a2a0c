// The loader's parts, one per kind of project file. Each adds what it read to the project and everything that
// is wrong to the report; what is in the project after an error is not to be relied on.
#pragma once

#include "config/project.h"
#include "config/webhook_source.h"
#include "config/yaml_reader.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::config {

void load_settings(Reader reader, const std::filesystem::path& file, Project& project);
void load_source(Reader reader, const std::filesystem::path& file, Project& project,
                 std::vector<WebhookSource>& webhooks);
// `node`: the value of `kafka` in a source's file.
void load_kafka_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                       Project& project);
// `node`: the value of `events` in a source's file.
void load_event_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                       Project& project);
// `node`: the value of `webhook` in a source's file.
void load_webhook_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                         const Project& project, std::vector<WebhookSource>& webhooks);
// `node`: the value of `pull`. `called`: the source that `webhook` beside it made; null: it stands alone.
void load_pull_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                      const Project& project, std::vector<WebhookSource>& webhooks, WebhookSource* called);
// Who may send, in the key `of`; where what is sent lies until the warehouse has it. The source has its name.
void read_write_keys(MappingReader& mapping, const std::string& of, EventSource& source);
void read_spool(MappingReader& mapping, const Project& project, EventSource& source);
// `node`: the value of `inserts` in a source's file.
void load_insert_source(Reader reader, const YamlNode& node, const std::string& name, const Location& where,
                        Project& project);
// `columns` and `key` of a table that is declared instead of found somewhere.
void read_declared_columns(MappingReader& mapping, std::vector<std::pair<std::string, ColumnType>>& columns,
                           std::vector<std::string>& key);
// The value of `tokens` in tidemark.yaml.
void read_tokens(Reader reader, const YamlNode& node, Project& project);
void load_model(Reader reader, const std::filesystem::path& file, Project& project);
void load_dictionary(Reader reader, const std::filesystem::path& file, Project& project);
void load_dashboard(Reader reader, const std::filesystem::path& file, Project& project);
void load_audit(Reader reader, const std::filesystem::path& file, Project& project);
void load_endpoint(Reader reader, const std::filesystem::path& file, Project& project);

// Where a source keeps what does not fit into memory and is not in the warehouse yet, unless it says
// otherwise.
std::filesystem::path default_spool(const Project& project, const std::string& source);

// What can only be seen with everything loaded: names used twice, references to models, ports that collide.
void check_project(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks);
// Tokens with the scope events:write become write keys of the one source of events. After all are read.
void give_tokens_to_events(Report& report, Project& project);

// The value of a header line `-- audit: not_null(a), unique(b) severity=warning`.
void read_audits(Report& report, std::string_view value, const Location& where, ModelFile& model);
// Audits name models and files that exist.
void check_audits(Report& report, const Project& project);

// What to run for a tile over a model; precondition: the tile has a model and the keys its chart needs.
std::string make_tile_query(const Tile& tile);

// A name that is used in SQL: reports when it is not [A-Za-z_][A-Za-z0-9_]* or too long.
bool check_identifier(Report& report, const Location& where, std::string_view what, const std::string& name);

}  // namespace tidemark::config
