// The command-line face of a schema: every key is an option --section.key=VALUE with its help.
#ifndef MMUSIM_CONFIG_OPTIONS_H_
#define MMUSIM_CONFIG_OPTIONS_H_

#include <boost/program_options/option.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>

#include "config/schema.h"

namespace mmusim::config {

// Adds one option per key. Flags may be given without a value (--run.check means true).
void add_options(const Schema& schema, boost::program_options::options_description& description);

// Sets every key that was given on the command line, in order, later ones winning; the origin is
// "--section.key". Errors: UsageError as Config::set.
void apply_options(const boost::program_options::parsed_options& parsed, Config& config);

// What --help and the reference say of a key: its help, range or choices, and default.
std::string describe(const Key& key);

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_OPTIONS_H_
