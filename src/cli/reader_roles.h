// Roles of readers in ClickHouse, as roles/*.yaml says them: what is to be done, and doing it.
//
// A role sees views of its own and nothing else. For the role `analyst` there are: database analyst with a
// view <database>__<model> of each model, in the columns and rows it may see, which runs with the rights of
// Tidemark's account (SQL SECURITY DEFINER), and with a password the account analyst, which may SELECT from
// this database. So no right on a model, a store or a mirrored table is ever given. In a server of the user's
// own the right is that of a role tidemark_analyst, which the account has; the embedded one has accounts in a
// file (clickhouse/embedded_readers.h) and no roles.
//
// What was made is remembered in tidemark.reader_roles by the hash of its definition, so a role that is taken
// out of the project is taken away, and only what we made. On a cluster: refused.
#pragma once

#include "clickhouse/client.h"
#include "config/project.h"
#include "models/plan.h"

#include <string>
#include <vector>

namespace tidemark::cli {

struct RoleChange {
  std::string role;
  std::string what;  // "made", "changed", "taken away"
  size_t views = 0;
  std::vector<std::string> statements;
  std::string fingerprint;  // empty: it goes
};

// Errors: config (roles/ is wrong, or names what is not there), conflict (a database or an account of that
// name is not ours), unsupported.
Result<std::vector<RoleChange>> plan_reader_roles(clickhouse::Client& client, const config::Project& project);
Status apply_reader_roles(clickhouse::Client& client, const config::Project& project,
                          const std::vector<RoleChange>& changes);

// "role analyst: made, 3 views", a line each.
std::string role_text(const std::vector<RoleChange>& changes);
// A plan with them before it.
std::string with_role_text(const models::Plan& plan, const std::vector<RoleChange>& changes);
// The document of a plan with them in it.
std::string with_roles(const std::string& plan_json, const std::vector<RoleChange>& changes);

}  // namespace tidemark::cli
