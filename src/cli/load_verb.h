// The verb that loads files, for main.cc.
#pragma once

#include "cli/verb.h"

namespace tidemark::cli {

Run add_load(CLI::App& command);

}  // namespace tidemark::cli
