// Which handler answers a path. Literal segments win over "{name}", which wins over "{name...}"; patterns are
// few, so matching is a walk over all of them.
#pragma once

#include "http/server.h"

namespace tidemark::http {

struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  StreamHandler stream;  // one of the three
  DeferredHandler deferred = {};
};

class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;              // nullptr: no route of that method
    std::vector<std::string> allowed_methods;  // of the routes whose pattern fits; empty: nothing there (404)
    std::map<std::string, std::string> parameters;
  };
  // `path` is the path as sent, still percent-encoded, so that an encoded slash stays inside its segment.
  Match match(std::string_view method, std::string_view path) const;

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace tidemark::http
