// Calls of dictGet and its kin in a model.
//
// Two traps. dictGet() of a key that is not there answers with the type's default, 0 or '', which looks like
// a value: only the forms that say what comes instead are allowed. And a stored row keeps what was looked up
// when it was written, although the dictionary has changed since: keyed stores must not look anything up.
// (Incremental models look up when they are read, like they join: resolved_query.h.)
#pragma once

#include "models/lookups.h"
#include "models/model_source.h"

#include <set>
#include <string>

namespace tidemark::models {

// The project's dictionaries that the model names; complaints about calls that would be wrong.
std::set<std::string> dictionaries_called(const SqlText& text, const std::string& kind,
                                          const Lookups& lookups, Complaints& complaints);

}  // namespace tidemark::models
