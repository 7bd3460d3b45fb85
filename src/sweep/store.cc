#include "sweep/store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <xxhash.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/output_file.h"
#include "stats/json.h"
#include "trace/reader.h"

namespace mmusim::sweep {
namespace {

namespace fs = std::filesystem;
using stats::Json;

constexpr unsigned kStoreSchema = 1;
constexpr const char* kStore = "store.json";
constexpr const char* kLock = "lock";
constexpr const char* kRuns = "runs";

std::string digits(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_of(const std::string& text) {
  return digits(XXH3_128bits(text.data(), text.size()));
}

// A torn trace is known by all of its bytes.
std::string hash_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  XXH3_state_t* const state = XXH3_createState();
  XXH3_128bits_reset(state);
  std::array<char, 1 << 16> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0)
    XXH3_128bits_update(state, buffer.data(), static_cast<size_t>(file.gcount()));
  const std::string hash = digits(XXH3_128bits_digest(state));
  XXH3_freeState(state);
  return "torn " + hash;
}

std::string hash_of_trace(const std::string& path) {
  const trace::Reader reader(path, {.accept_torn = true});
  return reader.torn() ? hash_of_file(path) : reader.content_hash();
}

std::string no_json(const Json::parse_error& error, const std::string& text) {
  return fmt::format("no JSON from byte {} of {} on", error.byte, text.size());
}

// Why the text is no result; "": it is one.
std::string problem_of(const std::string& text, stats::Report& report) {
  try {
    stats::read_counters(stats::parse_json(text), report);
    return "";
  } catch (const Json::parse_error& error) {
    return no_json(error, text);
  } catch (const Json::exception&) {
    return "of another form";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

std::string program_of(const stats::Provenance& provenance) {
  return fmt::format("{}, {}{}, {}", provenance.version,
                     provenance.commit.empty() ? "" : "commit " + provenance.commit + ", ",
                     provenance.build_type, provenance.compiler);
}

std::string RunIds::id_of(const config::Config& config, const stats::Provenance& provenance,
                          const std::string& trace) {
  const auto [known, fresh] = hashes_.try_emplace(trace);
  if (fresh) known->second = hash_of_trace(trace);
  std::string text = program_of(provenance) + "\n" + known->second + "\n";
  for (const stats::Provenance::Plugin& plugin : provenance.plugins)
    text += plugin.hash + "\n";
  return hash_of(text + config.effective());
}

Store::Store(std::string folder, const std::string& program, Access access)
    : folder_(std::move(folder)) {
  check(folder_, program);
  std::error_code error;
  fs::create_directories(path_of(kRuns), error);
  if (error) throw Error(folder_, fmt::format("cannot make the folder: {}", error.message()));
  lock(access);
  check(folder_, program);  // another sweep may have begun it by now
  if (fs::exists(path_of(kStore), error)) return;
  write_file(path_of(kStore),
             stats::document_text(Json{{"schema", kStoreSchema}, {"program", program}}));
}

Store::~Store() {
  if (lock_ >= 0) close(lock_);
}

void Store::check(const std::string& folder, const std::string& program) {
  std::error_code error;
  if (!fs::exists(folder, error)) return;
  if (!fs::is_directory(folder, error)) throw Error(folder, "is there, and no folder");
  const std::string path = (fs::path(folder) / kStore).string();
  if (!fs::exists(path, error)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name != kLock && name != kRuns && !name.starts_with(kStore))
        throw Error(folder, fmt::format("has no {}, but other files ({})", kStore, name),
                    "name a folder that is empty, new or a sweep's");
    }
    return;
  }
  constexpr const char* kUntouched = "the results beside it are untouched; name another folder";
  std::string writer;
  unsigned schema = 0;
  const std::string text = read_file(path);
  try {
    const Json store = stats::parse_json(text);
    schema = store.at("schema").get<unsigned>();
    writer = store.at("program").get<std::string>();
  } catch (const Json::parse_error& why) {
    throw Error(path, no_json(why, text), kUntouched);
  } catch (const Json::exception&) {
    throw Error(path, "is not what a sweep writes", kUntouched);
  }
  if (schema != kStoreSchema)
    throw Error(folder,
                fmt::format("its store has schema {}, this program's {}", schema, kStoreSchema),
                "nothing in it was changed; name another folder");
  if (writer != program)
    throw Error(folder,
                fmt::format("its results are of another mmusim ({}; this is {})", writer, program),
                "nothing in it was changed; name another folder, or go on with that program");
}

void Store::lock(Access access) {
  const std::string path = path_of(kLock);
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) throw Error(path, fmt::format("cannot create: {}", std::strerror(errno)));
  if (flock(lock_, (access == Access::Shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 ||
      errno != EWOULDBLOCK)
    return;  // or has no locks
  close(std::exchange(lock_, -1));
  throw Error(folder_, "another sweep is at work in it",
              "wait for its end, or name another folder");
}

bool Store::keeps(const std::string& folder, const std::string& path) {
  constexpr const char* kNames[] = {kStore, kLock, kRuns, "results.csv", "results.db"};
  std::error_code ignored;
  const fs::path place = fs::weakly_canonical(path, ignored);
  const fs::path store = fs::weakly_canonical(folder, ignored);
  if (place.parent_path() == store / kRuns) return true;
  return place.parent_path() == store &&
         std::find(std::begin(kNames), std::end(kNames), place.filename()) != std::end(kNames);
}

bool Store::find(const std::string& id, stats::Report& report, const Warn& warn) {
  const std::string path = path_of(name_of(id));
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  std::string problem;
  try {
    problem = problem_of(read_file(path), report);
  } catch (const Error& why) {
    problem = why.what();
  }
  if (problem.empty()) return true;
  report = {};
  std::string aside = path + ".unreadable";
  for (unsigned n = 2; fs::exists(aside, error); ++n)
    aside = fmt::format("{}.unreadable{}", path, n);
  fs::rename(path, aside, error);
  if (error) throw Error(path, fmt::format("cannot rename: {}", error.message()));
  warn(fmt::format("{} is no result ({}): it is {} now, and the run is done again", path, problem,
                   fs::path(aside).filename().string()));
  return false;
}

void Store::keep(const std::string& id, const std::string& result) const {
  write_file(path_of(name_of(id)), result);
}

bool has_result(const std::string& folder, const std::string& id) {
  std::error_code error;
  return fs::exists(folder + "/" + Store::name_of(id), error);
}

}  // namespace mmusim::sweep
