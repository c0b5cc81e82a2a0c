// Who may do what over HTTP (`tokens:` in tidemark.yaml). The token itself never leaves the project file. One
// with the scope events:write is a write key of the project's source of events.
#pragma once

#include "base/secret.h"
#include "config/diagnostic.h"

#include <string>
#include <vector>

namespace tidemark::config {

struct AccessToken {
  std::string name;
  Secret value;                     // empty only when offline and a variable is unset
  std::vector<std::string> scopes;  // read | segments:write | notify:write | events:write | admin
  Location where;
};

}  // namespace tidemark::config
