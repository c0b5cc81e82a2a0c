#include "cli/reader_roles.h"

#include "base/clock.h"
#include "clickhouse/embedded_directory.h"
#include "clickhouse/embedded_readers.h"
#include "clickhouse/schema.h"
#include "config/reader_role.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <set>

namespace tidemark::limits {

// The child ends, is started again after 0.1 s, and reads its tables.
constexpr std::chrono::milliseconds readers_patience{60'000};

}  // namespace tidemark::limits

namespace tidemark::cli {

namespace json = boost::json;
using clickhouse::quote_identifier;
using clickhouse::quote_list;
using clickhouse::quote_string;
using clickhouse::quote_table;

namespace {

constexpr const char* made_roles = "tidemark.reader_roles";

struct RoleView {
  std::string name;    // in the role's database
  std::string select;  // what it shows
};

Result<std::vector<std::string>> names(clickhouse::Client& client, const std::string& query) {
  Block block = TRY(client.query(query));
  std::vector<std::string> found;
  for (size_t row = 0; row < block.rows(); ++row) found.emplace_back(block.columns.front().text(row));
  return found;
}

// By role: the hash of what was made.
Result<std::map<std::string, std::string>> roles_made(clickhouse::Client& client) {
  std::map<std::string, std::string> made;
  if (!TRY(clickhouse::table_exists(client, "tidemark", "reader_roles"))) return made;
  Block block =
      TRY(client.query(fmt::format("SELECT role, argMax(fingerprint, version) AS fingerprint FROM {} GROUP "
                                   "BY role HAVING fingerprint != ''",
                                   made_roles)));
  for (size_t row = 0; row < block.rows(); ++row)
    made.emplace(block.columns[0].text(row), block.columns[1].text(row));
  return made;
}

tl::unexpected<Error> wrong(const config::ReaderRole& role, std::string message, std::string remedy) {
  return fail(ErrorKind::config, fmt::format("{}: {}", role.where.describe(), message), std::move(remedy));
}

Result<std::set<std::string>> models_of(const config::ReaderRole& role, const config::Project& project) {
  std::set<std::string> wanted;
  for (const auto& pattern : role.models) {
    size_t before = wanted.size();
    bool all = pattern.ends_with(".*");
    for (const auto& file : project.models) {
      const std::string name = file.full_name();
      if (name == pattern || (all && name.starts_with(pattern.substr(0, pattern.size() - 1))))
        wanted.insert(name);
    }
    if (wanted.size() == before && !wanted.contains(pattern))
      return wrong(role, fmt::format("the project has no model `{}`", pattern),
                   "`tidemark plan` lists them.");
  }
  auto check = [&](const std::string& model, const char* key) -> Status {
    if (wanted.contains(model)) return {};
    return wrong(role, fmt::format("`{}` is about {}, which is not among `models`", key, model),
                 "Add it, or take it out.");
  };
  for (const auto& [model, columns] : role.columns) TRY_VOID(check(model, "columns"));
  for (const auto& [model, condition] : role.rows) TRY_VOID(check(model, "rows"));
  return wanted;
}

Result<std::vector<RoleView>> views_of(clickhouse::Client& client, const config::ReaderRole& role,
                                       const config::Project& project) {
  std::vector<RoleView> views;
  for (const auto& model : TRY(models_of(role, project))) {
    const size_t dot = model.find('.');
    const std::string database = model.substr(0, dot), table = model.substr(dot + 1);
    std::vector<std::string> there;
    for (const auto& column : TRY(clickhouse::table_columns(client, database, table)))
      there.push_back(column.name);
    auto chosen = role.columns.find(model);
    if (chosen != role.columns.end())
      for (const auto& column : chosen->second)
        if (!there.empty() && std::find(there.begin(), there.end(), column) == there.end())
          return wrong(role, fmt::format("{} has no column `{}`", model, column),
                       fmt::format("It has {}.", fmt::join(there, ", ")));
    const auto& columns = chosen == role.columns.end() ? there : chosen->second;
    std::string select = fmt::format("SELECT {} FROM {}", columns.empty() ? "*" : quote_list(columns),
                                     quote_table(database, table));
    // On lines of its own: a comment in it ends there.
    if (auto rows = role.rows.find(model); rows != role.rows.end())
      select += fmt::format(" WHERE (\n{}\n)", rows->second);
    views.push_back({database + "__" + table, std::move(select)});
  }
  return views;
}

std::string grantee(const std::string& role) {
  return quote_identifier("tidemark_" + role);
}

std::vector<std::string> view_statements(const config::ReaderRole& role, const std::vector<RoleView>& views,
                                         const std::vector<std::string>& stale) {
  std::vector<std::string> statements{"CREATE DATABASE IF NOT EXISTS " + quote_identifier(role.name)};
  for (const auto& name : stale) statements.push_back("DROP VIEW IF EXISTS " + quote_table(role.name, name));
  for (const auto& view : views)
    statements.push_back(
        fmt::format("CREATE OR REPLACE VIEW {} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS {}",
                    quote_table(role.name, view.name), view.select));
  return statements;
}

// In a server of the user's own: the role, and its account. The embedded one has its accounts in a file.
void add_grants(const config::ReaderRole& role, bool had_account, std::vector<std::string>& statements) {
  const std::string database = quote_identifier(role.name);
  statements.push_back("CREATE ROLE IF NOT EXISTS " + grantee(role.name));
  statements.push_back(fmt::format("REVOKE ALL ON *.* FROM {}", grantee(role.name)));
  statements.push_back(fmt::format("GRANT SELECT ON {}.* TO {}", database, grantee(role.name)));
  if (!role.password.empty()) {
    statements.push_back(
        fmt::format("CREATE USER OR REPLACE {} IDENTIFIED WITH sha256_hash BY {} SETTINGS readonly = 2",
                    database, quote_string(clickhouse::sha256_hex(role.password.reveal()))));
    statements.push_back(fmt::format("GRANT {} TO {}", grantee(role.name), database));
  } else if (had_account) {
    statements.push_back("DROP USER IF EXISTS " + database);
  }
}

}  // namespace

Result<std::vector<RoleChange>> plan_reader_roles(clickhouse::Client& client,
                                                  const config::Project& project) {
  auto roles = TRY(config::load_reader_roles(project.root));
  const auto* remote = project.warehouse.remote();
  if (!roles.empty() && remote != nullptr && !remote->cluster.empty())
    return fail(ErrorKind::unsupported, "roles of readers on a cluster",
                "make them by hand, or leave warehouse.cluster or roles/ out");
  auto made = TRY(roles_made(client));
  std::vector<RoleChange> changes;
  for (const auto& role : roles) {
    auto views = TRY(views_of(client, role, project));
    auto there = TRY(names(
        client, fmt::format("SELECT name FROM system.tables WHERE database = {}", quote_string(role.name))));
    bool known = made.contains(role.name);
    bool account = !TRY(names(client, fmt::format("SELECT name FROM system.users WHERE name = {}",
                                                  quote_string(role.name))))
                        .empty();
    if (!known && (account || TRY(clickhouse::database_exists(client, role.name))))
      return fail(ErrorKind::conflict,
                  fmt::format("the role {} cannot be made: there is {} of that name already", role.name,
                              account ? "an account" : "a database"),
                  "give the role another name");
    std::string definition = clickhouse::sha256_hex(role.password.reveal());
    std::vector<std::string> stale = there;
    bool whole = true;
    for (const auto& view : views) {
      definition +=
          fmt::format("\n{}:{}\n{}:{}", view.name.size(), view.name, view.select.size(), view.select);
      whole &= std::find(there.begin(), there.end(), view.name) != there.end();
      std::erase(stale, view.name);
    }
    whole &= stale.empty() && account == !role.password.empty();
    std::string fingerprint = clickhouse::sha256_hex(definition);
    bool same = known && made[role.name] == fingerprint && whole;
    made.erase(role.name);
    if (same) continue;
    changes.push_back({.role = role.name,
                       .what = known ? "changed" : "made",
                       .views = views.size(),
                       .statements = view_statements(role, views, stale),
                       .fingerprint = std::move(fingerprint)});
    if (remote != nullptr) add_grants(role, account, changes.back().statements);
  }
  for (const auto& [role, fingerprint] : made) {
    changes.push_back({.role = role, .what = "taken away"});
    auto& statements = changes.back().statements;
    if (remote != nullptr) {
      statements.push_back("DROP USER IF EXISTS " + quote_identifier(role));
      statements.push_back("DROP ROLE IF EXISTS " + grantee(role));
    }
    statements.push_back("DROP DATABASE IF EXISTS " + quote_identifier(role));
  }
  return changes;
}

Status apply_reader_roles(clickhouse::Client& client, const config::Project& project,
                          const std::vector<RoleChange>& changes) {
  if (changes.empty()) return {};
  TRY_VOID(client.execute(
      fmt::format("CREATE TABLE IF NOT EXISTS {} (role String, fingerprint String, version Int64) ENGINE = "
                  "ReplacingMergeTree(version) ORDER BY role",
                  made_roles)));
  const config::EmbeddedWarehouse* embedded = project.warehouse.embedded();
  auto note = [&](const RoleChange& change, const std::string& fingerprint) {
    return client.execute(fmt::format("INSERT INTO {} VALUES ({}, {}, {})", made_roles,
                                      quote_string(change.role), quote_string(fingerprint),
                                      system_clock().wall_micros()));
  };
  for (const auto& change : changes) {
    // Ours from here on, whole or not.
    if (!change.fingerprint.empty()) TRY_VOID(note(change, "under way"));
    for (const auto& statement : change.statements)
      if (auto done = client.execute(statement); !done)
        return fail(std::move(done.error()).in("role " + change.role));
    if (!embedded) TRY_VOID(note(change, change.fingerprint));
  }
  if (!embedded) return {};
  std::vector<clickhouse::EmbeddedReader> readers;
  for (const auto& role : TRY(config::load_reader_roles(project.root)))
    if (!role.password.empty())
      readers.push_back({role.name, clickhouse::sha256_hex(role.password.reveal())});
  if (TRY(clickhouse::write_readers(embedded->data, readers)))
    TRY_VOID(clickhouse::restart_for_readers(embedded->data, limits::readers_patience));
  for (const auto& change : changes) TRY_VOID(note(change, change.fingerprint));
  return {};
}

std::string role_text(const std::vector<RoleChange>& changes) {
  std::string text;
  for (const auto& change : changes)
    text += fmt::format(
        "role {}: {}{}\n", change.role, change.what,
        change.views == 0 ? "" : fmt::format(", {} view{}", change.views, change.views == 1 ? "" : "s"));
  return text;
}

std::string with_role_text(const models::Plan& plan, const std::vector<RoleChange>& changes) {
  return role_text(changes) + (plan.empty() && !changes.empty() ? std::string() : plan.to_text());
}

std::string with_roles(const std::string& plan_json, const std::vector<RoleChange>& changes) {
  if (changes.empty()) return plan_json;
  json::object document = json::parse(plan_json).as_object();
  json::array& list = document["roles"].emplace_array();
  for (const auto& change : changes)
    list.push_back(json::object{{"role", change.role}, {"change", change.what}, {"views", change.views}});
  return json::serialize(document);
}

}  // namespace tidemark::cli
