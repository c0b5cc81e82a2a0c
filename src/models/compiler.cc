#include "models/compiler.h"

#include "base/limits.h"
#include "clickhouse/cluster.h"
#include "models/dictionary_calls.h"
#include "models/generation.h"
#include "models/incremental.h"
#include "models/incremental_traps.h"
#include "models/keyed.h"
#include "models/keyed_statements.h"
#include "models/model_source.h"
#include "models/references.h"
#include "models/refresh_model.h"
#include "models/retention.h"
#include "models/subqueries_in_place.h"

#include <map>

namespace tidemark::models {
namespace {

using clickhouse::quote_table;

// Changes when the same SQL would be compiled to something else, so that stores are built again.
constexpr std::string_view compiler_version = "3";

struct Draft {
  const config::ModelFile* written = nullptr;
  std::unique_ptr<config::ModelFile> file;  // with subqueries in their places, where the kind needs it
  std::unique_ptr<SqlText> text;
  std::vector<TableReference> references;  // table positions only
  std::vector<std::string> tables, models, foreign;
  std::vector<std::string> through_dictionaries;  // models and tables that only dictionaries bring in
  std::set<std::string> live;
};

void add_once(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

class Compilation_ {
 public:
  Compilation_(clickhouse::Client& client, const std::vector<config::ModelFile>& files)
      : client_(client), files_(files) {}

  Result<Compilation> run() {
    for (const auto& file : files_) names_.push_back(file.full_name());
    lookups_ = TRY(Lookups::load(client_));
    for (const auto& file : files_) read(file);
    functions_ = TRY(FunctionCatalog::load(client_));
    TRY_VOID(load_tables());
    for (const auto& draft : order()) TRY_VOID(compile(*draft));
    return std::move(result_);
  }

 private:
  Complaints complaints(const config::ModelFile& file) { return Complaints(file, result_.errors); }

  void read(const config::ModelFile& file) {
    Draft draft{.written = &file, .file = std::make_unique<config::ModelFile>(file)};
    if (file.kind == "incremental" || file.kind == "keyed")
      if (auto in_place = subqueries_in_place(file.sql)) draft.file->sql = std::move(*in_place);
    auto text = SqlText::read(draft.file->sql);
    if (!text) {
      complaints(file).refused(text.error(), "");
      return;
    }
    draft.text = std::move(*text);
    for (auto& reference : find_references(draft.text->tokens)) {
      if (reference.column) continue;
      std::string name = reference.name();
      if (reference.database == "bronze")
        add_once(draft.tables, name);
      else if (std::find(names_.begin(), names_.end(), name) != names_.end())
        add_once(draft.models, name);
      else
        add_once(draft.foreign, name);
      if (lookups_.live_tables.contains(name)) draft.live.insert(name);
      if (lookups_.dictionaries.contains(name)) follow_dictionary(draft, name);
      draft.references.push_back(std::move(reference));
    }
    Complaints complain = complaints(*draft.file);
    for (const auto& name : dictionaries_called(*draft.text, file.kind, lookups_, complain))
      follow_dictionary(draft, name);
    if (complain.any()) broken_.insert(file.full_name());
    drafts_.emplace(file.full_name(), std::move(draft));
  }

  // What a dictionary is over is read, too, but never put in for it.
  void follow_dictionary(Draft& draft, const std::string& name) {
    const std::string& over = lookups_.dictionaries.at(name);
    if (over.empty())
      draft.live.insert(name);
    else
      add_once(draft.through_dictionaries, over);
  }

  // Mirrored tables that any model names, and the names of all there are.
  Status load_tables() {
    Block block = TRY(client_.query("SELECT name, engine, sorting_key FROM " +
                                    clickhouse::system_table(client_, "tables") +
                                    " WHERE database = 'bronze' AND engine LIKE '%MergeTree'"));
    for (size_t row = 0; row < block.rows(); ++row) {
      std::string name(block.columns[0].text(row));
      mirrored_names_.push_back("bronze." + name);
      MirroredTable table{.name = name};
      table.log = block.columns[1].text(row).find("Replacing") == std::string_view::npos;
      if (!table.log) {
        std::string key(block.columns[2].text(row));
        auto tokens = tokenize(key);
        if (tokens)
          for (const auto& token : *tokens)
            if (token.identifier()) table.key.push_back(token.name);
      }
      known_tables_.emplace("bronze." + name, std::move(table));
    }
    for (const auto& [model, draft] : drafts_)
      for (const auto& name : draft.tables) {
        auto known = known_tables_.find(name);
        if (known == known_tables_.end() || tables_.contains(name)) continue;
        MirroredTable table = known->second;
        table.columns = TRY(clickhouse::table_columns(client_, "bronze", table.name + "__current"));
        KeyedTable readable{.name = name,
                            .mirrored = name,
                            .base = quote_table("bronze", table.name),
                            .log = table.log,
                            .changes = table.changes(),
                            .typed = table.current()};
        for (const auto& column : table.columns) readable.columns.insert(column.name);
        readable.sorting.insert(table.key.begin(), table.key.end());
        keyed_tables_.emplace(name, std::move(readable));
        tables_.emplace(name, std::move(table));
      }
    return {};
  }

  // Each model after those it reads; a cycle is complained about once and its members are left out.
  std::vector<Draft*> order() {
    std::vector<Draft*> ordered;
    std::map<std::string, int> state;  // 1: being visited, 2: done
    std::function<bool(const std::string&, std::vector<std::string>&)> visit =
        [&](const std::string& name, std::vector<std::string>& path) {
          auto draft = drafts_.find(name);
          if (draft == drafts_.end()) return false;
          if (state[name] == 2) return true;
          path.push_back(name);
          if (state[name] == 1) {
            auto begin = std::find(path.begin(), path.end(), name);
            complaints(*draft->second.file)
                .at(0, "models read each other in a circle: " + joined({begin, path.end()}, " -> "),
                    "take one of these references out");
            broken_.insert(begin, path.end());
            path.pop_back();
            return false;
          }
          state[name] = 1;
          for (const auto& upstream : draft->second.models) visit(upstream, path);
          for (const auto& upstream : draft->second.through_dictionaries) visit(upstream, path);
          path.pop_back();
          state[name] = 2;
          ordered.push_back(&draft->second);
          return true;
        };
    for (const auto& name : names_) {
      std::vector<std::string> path;
      visit(name, path);
    }
    return ordered;
  }

  Result<bool> check_references(const Draft& draft, Complaints& complain) {
    for (const auto& reference : draft.references) {
      std::string name = reference.name();
      if (reference.database == "bronze") {
        if (tables_.contains(name)) {
          if (!reference.final) continue;
          complain.at(reference.end, fmt::format("{} already stands for the current rows", name),
                      "leave FINAL and SAMPLE out");
          continue;
        }
        for (std::string_view suffix : {"__current", "__changes"})
          if (name.ends_with(suffix) && known_tables_.contains(name.substr(0, name.size() - suffix.size()))) {
            complain.at(reference.offset, fmt::format("{} is made by Tidemark and may change", name),
                        fmt::format("write {}; it stands for the current rows",
                                    name.substr(0, name.size() - suffix.size())));
            name.clear();
            break;
          }
        if (name.empty()) continue;
        complain.at(reference.offset,
                    fmt::format("unknown table {}{}", name, config::did_you_mean(name, mirrored_names_)),
                    "name a table that a source of this project captures");
        continue;
      }
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      if (reference.database == "live") {
        if (!lookups_.live_tables.contains(name))
          complain.at(reference.offset,
                      fmt::format("unknown live table {}{}", name,
                                  config::did_you_mean(
                                      name, {lookups_.live_tables.begin(), lookups_.live_tables.end()})),
                      "list it under `live:` of a source");
        else if (draft.file->kind == "incremental" || draft.file->kind == "keyed")
          complain.at(
              reference.offset,
              fmt::format("{} is read from Postgres by the query itself: its changes never arrive as change "
                          "rows",
                          name),
              "mirror the table, or use `-- kind: view` or `-- kind: refresh`");
        continue;
      }
      // x IN a.b and a.b of an alias look alike; only FROM is certain to be a table.
      if (reference.in_set) continue;
      if (TRY(clickhouse::table_exists(client_, reference.database, reference.table))) continue;
      std::vector<std::string> known = names_;
      known.insert(known.end(), mirrored_names_.begin(), mirrored_names_.end());
      complain.at(reference.offset,
                  fmt::format("unknown table {}{}", name, config::did_you_mean(name, known)),
                  "models are named database.name, mirrored tables bronze.<table>");
    }
    return !complain.any();
  }

  // Stores are kept right by change rows; the result of a refresh model has none.
  static bool check_refresh_models(const Draft& draft, const CompiledModel& model, Complaints& complain) {
    if (model.refresh_models.empty() || draft.file->kind == "view" || draft.file->kind == "refresh")
      return true;
    size_t place = 0;
    for (const auto& reference : draft.references)
      if (model.refresh_models.contains(reference.name())) place = reference.offset;
    complain.at(
        place,
        fmt::format("{} is a refresh model, replaced as a whole: it has no change rows that {} {} model "
                    "could follow",
                    *model.refresh_models.begin(), draft.file->kind == "incremental" ? "an" : "a",
                    draft.file->kind),
        "use `-- kind: refresh` with `-- on_change: true`, or `-- kind: view`");
    return false;
  }

  Status compile(const Draft& draft) {
    const config::ModelFile& file = *draft.file;
    Complaints complain = complaints(file);
    std::string name = file.full_name();
    if (broken_.contains(name)) return {};
    for (const auto& upstream : draft.models)
      if (result_.models.find(upstream) == nullptr) return {};  // its own complaint is there
    if (file.database == "bronze" || file.database == "tidemark" || file.database == "system" ||
        file.database == "INFORMATION_SCHEMA" || file.database == "information_schema") {
      complain.at(0, fmt::format("database {} is not for models", file.database),
                  "move the file to models/<another database>/");
      return {};
    }
    if (!file.ttl.empty() && file.kind != "incremental") {
      complain.in_header(
          "ttl",
          fmt::format("ttl belongs to `-- kind: incremental`: rows of a {} model do not grow old one "
                      "by one",
                      file.kind),
          "filter by time in a `-- kind: view` model on top");
      return {};
    }
    if (!TRY(check_references(draft, complain))) return {};

    // First the text alone, so that positions are those of the file.
    std::string sql(draft.text->text({0, draft.text->tokens.size()}));
    if (Status parsed = client_.execute("EXPLAIN AST\n" + sql); !parsed) {
      if (parsed.error().kind != ErrorKind::refused) return parsed;
      complain.refused(parsed.error(), "");
      return {};
    }
    if (draft.text->tokens.empty() ||
        !(draft.text->tokens[0].keyword("SELECT") || draft.text->tokens[0].keyword("WITH") ||
          draft.text->tokens[0].is("("))) {
      complain.at(0, "a model is one SELECT", "start with SELECT or WITH");
      return {};
    }

    CompiledModel model;
    model.file = *draft.written;
    model.name = name;
    model.tables = draft.tables;
    model.models = draft.models;
    model.tables_in_depth.insert(draft.tables.begin(), draft.tables.end());
    model.live_reads = draft.live;
    std::vector<std::string> upstreams = draft.models;
    for (const auto& name_over : draft.through_dictionaries) {
      if (name_over.starts_with("bronze.")) model.tables_in_depth.insert(name_over);
      if (result_.models.find(name_over) != nullptr) upstreams.push_back(name_over);
    }
    model.immediate_tables = model.tables_in_depth;
    for (const auto& upstream_name : upstreams) {
      const CompiledModel& upstream = *result_.models.find(upstream_name);
      model.live_reads.insert(upstream.live_reads.begin(), upstream.live_reads.end());
      model.tables_in_depth.insert(upstream.tables_in_depth.begin(), upstream.tables_in_depth.end());
      if (upstream.kind == ModelKind::refresh) {
        model.refresh_models.insert(upstream_name);
        continue;
      }
      model.immediate_tables.insert(upstream.immediate_tables.begin(), upstream.immediate_tables.end());
      model.refresh_models.insert(upstream.refresh_models.begin(), upstream.refresh_models.end());
    }
    if (!check_refresh_models(draft, model, complain)) return {};
    if (file.kind == "refresh" && file.every_seconds == 0 && !model.live_reads.empty()) {
      complain.in_header(
          "on_change",
          fmt::format("{} is live: its changes are not seen, and this model is refreshed only on change",
                      *model.live_reads.begin()),
          "add a header line that says how old it may become: -- every: 1m");
      return {};
    }
    std::string mirrored_only = TRY(inlined(sql, mirrored_));
    mirrored_[name] = TRY(one_line(TRY(subqueries_in_place(mirrored_only))));
    std::string compared = TRY(inlined(sql, compared_));
    if (file.kind != "refresh") compared_[name] = TRY(one_line(compared));
    if (file.kind == "view") views_[name] = TRY(one_line(TRY(inlined(sql, views_))));
    model.recompute = TRY(over_current(compared));
    auto columns = columns_of(draft, sql, mirrored_only);
    if (!columns) {
      if (columns.error().kind != ErrorKind::refused) return fail(std::move(columns.error()));
      complain.refused(columns.error(), "", 1);
      return {};
    }
    model.columns = std::move(*columns);
    types_[name] = clickhouse::select_of_types(model.columns);

    ModelSource source{file, functions_, tables_, client_, complain, result_.models, mirrored_};
    std::optional<Retention> retention;
    if (!Retention::read(source, model.recompute, retention)) return {};
    if (retention) {
      mirrored_[name] = TRY(one_line(retention->applied_to(mirrored_only)));
      compared_[name] = TRY(one_line(retention->applied_to(compared)));
      model.recompute = retention->applied_to(model.recompute);
    }
    bool good = file.kind == "view"          ? TRY(compile_view(model, sql))
                : file.kind == "incremental" ? compile_deltas(model, source, *draft.text, retention)
                : file.kind == "refresh"     ? TRY(compile_result(model, source, *draft.text))
                                             : TRY(compile_keys(model, source, sql, mirrored_only));
    if (!good) return {};
    std::string in_place = TRY(subqueries_in_place(sql));
    TRY_VOID(offer_to_keyed(model, retention ? retention->applied_to(in_place) : in_place));
    result_.models.models.push_back(std::move(model));
    return {};
  }

  // Of the models it reads only the types, where that does: analysing all of them again for each model that
  // reads them takes longer than everything else of a start. Complaints are those of the whole SQL.
  Result<std::vector<clickhouse::ColumnDescription>> columns_of(const Draft& draft, const std::string& sql,
                                                                const std::string& mirrored_only) {
    if (!draft.models.empty()) {
      auto columns =
          clickhouse::describe_select(client_, "\n" + TRY(over_current(TRY(inlined(sql, types_)))));
      if (columns || columns.error().kind != ErrorKind::refused) return columns;
    }
    return clickhouse::describe_select(client_, "\n" + TRY(over_current(mirrored_only)));
  }

  // The SQL with every model it reads put in, over bronze.<table>. Each model put in is one line, so that
  // line numbers stay those of the file.
  Result<std::string> inlined(const std::string& sql, const std::map<std::string, std::string>& models) {
    return replace_references(sql, [&](const TableReference& reference) -> std::optional<std::string> {
      auto model = models.find(reference.name());
      if (model == models.end()) return std::nullopt;
      return "(" + model->second + ")";
    });
  }

  static Result<std::string> one_line(const std::string& sql) { return normalise(TRY(tokenize(sql))); }

  Result<std::string> over_current(const std::string& sql) {
    return replace_references(sql, [&](const TableReference& reference) -> std::optional<std::string> {
      auto table = tables_.find(reference.name());
      if (table == tables_.end()) return std::nullopt;
      return table->second.current();
    });
  }

  // As a view is made: with the views it reads put in, because every view inside a view costs the server
  // another analysis of a query (2 ms, more than reading a KPI's rows). Stores keep their public name.
  Result<std::string> flattened(const std::string& sql) {
    return replace_references(sql, [&](const TableReference& reference) -> std::optional<std::string> {
      if (auto view = flattened_.find(reference.name()); view != flattened_.end()) return view->second;
      auto table = tables_.find(reference.name());
      if (table == tables_.end()) return std::nullopt;
      return table->second.current_rows();
    });
  }

  std::string fingerprint(const CompiledModel& model, const std::vector<std::string>& parts) {
    std::string text = fmt::format("{}\n{}\n", compiler_version, name(model.kind));
    for (const auto& column : model.columns) text += column.name + "\t" + column.type + "\n";
    for (const auto& part : parts) text += part + "\n";
    return fingerprint_of(text);
  }

  std::string create_view(const CompiledModel& model, const std::string& select) {
    return "CREATE OR REPLACE VIEW " + quote_table(model.file.database, model.file.name) + " AS " + select;
  }

  Result<bool> compile_view(CompiledModel& model, const std::string& sql) {
    model.kind = ModelKind::view;
    std::string select = TRY(flattened(sql));
    if (std::string line = TRY(one_line(select)); line.size() <= limits::flattened_view_bytes_max)
      flattened_[model.name] = "(" + line + ")";
    model.fingerprint = fingerprint(model, {TRY(one_line(select))});
    model.view_statement = create_view(model, select);
    return true;
  }

  Result<bool> compile_result(CompiledModel& model, const ModelSource& source, const SqlText& text) {
    model.kind = ModelKind::refresh;
    model.form = StoreForm::result;
    std::string own(text.text({0, text.tokens.size()}));
    std::string filled = TRY(over_current(TRY(inlined(own, views_))));
    auto compiled = compile_refresh(source, text, filled, model.recompute, model.columns);
    if (!compiled) return false;
    model.recompute = std::move(compiled->recompute);
    model.fill_select = std::move(compiled->fill_select);
    model.fingerprint =
        fingerprint(model, {compiled->store_columns, compiled->engine, TRY(one_line(model.fill_select))});
    model.store = physical_name(model.file, model.fingerprint);
    model.next = physical_name(model.file, model.fingerprint, "__next");
    for (const auto& table : {model.store, model.next})
      model.create_statements.push_back("CREATE TABLE IF NOT EXISTS " + table + " (" +
                                        compiled->store_columns + ") ENGINE = " + compiled->engine +
                                        " SETTINGS " + clickhouse::merge_tree_settings(true) +
                                        ", allow_nullable_key = 1");
    std::vector<std::string> names;
    for (const auto& column : model.columns) names.push_back(clickhouse::quote_identifier(column.name));
    std::string columns = joined(names);
    model.backfill_statement = "INSERT INTO " + model.store + " (" + columns + ") SELECT " + columns +
                               " FROM (" + at_fill(model.fill_select, model.store) + "\n)";
    model.view_statement = create_view(model, "SELECT " + columns + " FROM " + model.store);
    model.physical = {model.next, model.store};
    return true;
  }

  std::string create_store(const CompiledModel& model, const std::string& columns,
                           const std::string& engine) {
    return "CREATE TABLE IF NOT EXISTS " + model.store + " (" + columns + ") ENGINE = " + engine +
           " SETTINGS " + clickhouse::merge_tree_settings(true) + ", allow_nullable_key = 1";
  }

  bool compile_deltas(CompiledModel& model, const ModelSource& source, const SqlText& text,
                      const std::optional<Retention>& retention) {
    model.kind = ModelKind::incremental;
    auto compiled = compile_incremental(source, text, model.columns);
    if (!compiled) return false;
    if (retention) {
      compiled->engine += retention->clause(compiled->engine);
      compiled->view_select = retention->applied_to(compiled->view_select);
    }
    model.form = compiled->form;
    model.joined_at_read = compiled->read_time;
    std::vector<std::string> parts{compiled->store_columns, compiled->engine, compiled->view_select};
    for (const auto& feed : compiled->feeds)
      parts.push_back(over_rows(feed.delta_select, feed.table->changes()));
    model.fingerprint = fingerprint(model, parts);
    model.store = physical_name(model.file, model.fingerprint);
    // Who says what a store is ordered by asks for some of it.
    const char* granules = compiled->form == StoreForm::rows ? ", index_granularity = 256"
                           : model.file.order_by.empty()     ? ""
                                                             : ", index_granularity = 1024";
    model.create_statements = {create_store(model, compiled->store_columns, compiled->engine) + granules};
    std::vector<std::string> existing;
    for (const auto& feed : compiled->feeds) {
      std::string suffix = existing.empty() ? "__mv" : fmt::format("__mv_{}", existing.size() + 1);
      std::string trigger = physical_name(model.file, model.fingerprint, suffix);
      model.create_statements.push_back("CREATE MATERIALIZED VIEW IF NOT EXISTS " + trigger + " TO " +
                                        model.store + " AS " +
                                        over_rows(feed.delta_select, feed.table->changes()));
      model.physical.push_back(trigger);
      model.fed_by.insert("bronze." + feed.table->name);
      existing.push_back(over_rows(feed.delta_select, feed.table->rows_as_changes()));
      model.feed_statements.emplace_back("bronze." + feed.table->name,
                                         "INSERT INTO " + model.store + " " + existing.back());
    }
    model.backfill_statement = "INSERT INTO " + model.store + " " + joined(existing, " UNION ALL ");
    std::string view = compiled->view_select;
    view.replace(view.find(store_placeholder), store_placeholder.size(), model.store);
    model.view_statement = create_view(model, view);
    model.physical.push_back(model.store);
    return true;
  }

  Result<bool> compile_keys(CompiledModel& model, const ModelSource& source, const std::string& written,
                            const std::string& mirrored_only) {
    model.kind = ModelKind::keyed;
    model.form = StoreForm::keyed;
    model.fed_by = model.tables_in_depth;
    auto compiled = TRY(compile_over_stores(model, source, written));
    if (!compiled) {
      std::unique_ptr<SqlText> text = TRY(SqlText::read(mirrored_only));
      compiled = compile_keyed(source, keyed_tables_, *text, !model.models.empty(), model.columns);
    }
    if (!compiled) return false;
    model.fingerprint = fingerprint(model, fingerprint_parts(*compiled));
    // Without rows there is nothing to fill and nothing to prove.
    if (source.file.watch) model.recompute = "SELECT * FROM (" + model.recompute + "\n) LIMIT 0";
    write_keyed_statements(*compiled, model);
    model.view_statement = create_view(model, "SELECT " + joined(compiled->column_names) + " FROM " +
                                                  model.store + " FINAL WHERE _deleted = 0");
    return true;
  }

  // Reading the stores of other models where that is possible; what is said against it is not an error.
  Result<std::optional<KeyedModel>> compile_over_stores(const CompiledModel& model, const ModelSource& source,
                                                        const std::string& written) {
    std::string sql = TRY(over_stores(written));
    bool any = false;
    for (const auto& name : TRY(referenced_tables(sql))) any |= stores_.contains(name);
    if (!any) return std::optional<KeyedModel>();
    std::vector<config::Diagnostic> ignored;
    Complaints complain(source.file, ignored);
    ModelSource quiet{source.file, source.functions, source.tables,        source.client,
                      complain,    source.models,    source.inlined_models};
    std::unique_ptr<SqlText> text = TRY(SqlText::read(std::move(sql)));
    return compile_keyed(quiet, keyed_tables_, *text, true, model.columns);
  }

  // The SQL with every model it reads put in, but for those whose store can be read instead.
  Result<std::string> over_stores(const std::string& sql) {
    return replace_references(sql, [&](const TableReference& reference) -> std::optional<std::string> {
      auto model = over_stores_.find(reference.name());
      if (model == over_stores_.end() || stores_.contains(reference.name())) return std::nullopt;
      return "(" + model->second + ")";
    });
  }

  // Remembers how keyed models may read this one.
  Status offer_to_keyed(const CompiledModel& model, const std::string& sql) {
    over_stores_[model.name] = TRY(one_line(TRY(over_stores(sql))));
    if (model.form != StoreForm::rows || model.tables.size() != 1 || !model.models.empty() ||
        !model.file.ttl.empty())
      return {};
    const MirroredTable& table = tables_.at(model.tables.front());
    KeyedTable store{.name = model.name,
                     .mirrored = model.tables.front(),
                     .base = model.store,
                     .log = table.log,
                     .typed = "(" + model.recompute + ")"};
    for (const auto& column : model.columns) {
      store.columns.insert(column.name);
      for (const auto* part : {&model.file.order_by, &model.file.key})
        if (std::find(part->begin(), part->end(), column.name) != part->end())
          store.sorting.insert(column.name);
    }
    std::unique_ptr<SqlText> text = TRY(SqlText::read(TRY(replace_references(
        mirrored_.at(model.name), [&](const TableReference&) { return table.changes(); }))));
    SelectShape shape = shape_of(*text, {0, text->tokens.size()});
    // FROM `bronze`.`t__changes` AS alias and nothing else; a store of anything more is put in instead.
    std::optional<size_t> set_operation;
    union_branches(*text, {0, text->tokens.size()}, set_operation);
    if (set_operation || (shape.from.size() != 4 && shape.from.size() != 5) ||
        text->tokens[shape.from.first].is("("))
      return {};
    std::string alias = clickhouse::quote_identifier(text->tokens[shape.from.last - 1].name);
    store.changes = "(" +
                    std::string(text->sql).insert(text->tokens[shape.from.first - 1].offset,
                                                  ", " + alias + "._cut AS _cut ") +
                    ")";
    keyed_tables_[model.name] = std::move(store);
    stores_.insert(model.name);
    return {};
  }

  clickhouse::Client& client_;
  const std::vector<config::ModelFile>& files_;
  Compilation result_;
  FunctionCatalog functions_;
  std::vector<std::string> names_, mirrored_names_;
  std::map<std::string, Draft> drafts_;
  std::map<std::string, MirroredTable> known_tables_;
  MirroredTables tables_;
  std::set<std::string> broken_;
  // The same down to the stores that keyed models can read, and these with the mirrored tables.
  std::map<std::string, std::string> over_stores_;
  std::set<std::string> stores_;
  KeyedTables keyed_tables_;
  std::map<std::string, std::string> flattened_;  // view model -> its statement as a subquery, one line
  Lookups lookups_;
  // Model -> its SQL in one line: over bronze.<table>; the same, and over refresh models; only views, with
  // what they read put in as far as that is views.
  std::map<std::string, std::string> mirrored_, compared_, views_;
  std::map<std::string, std::string> types_;  // model -> a SELECT of its columns' types
};

}  // namespace

Result<Compilation> compile(clickhouse::Client& client, const std::vector<config::ModelFile>& files) {
  Compilation compilation = TRY(Compilation_(client, files).run());
  adopt_generations(compilation.models, TRY(ModelState::load(client)));
  return compilation;
}

}  // namespace tidemark::models
