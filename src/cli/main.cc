// mmusim: the command line. Everything that can go wrong ends here, as one line and a status.
#include <cstdlib>
#include <exception>
#include <fmt/format.h>
#include <ios>
#include <new>
#include <string>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/output_file.h"
#include "base/program_file.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/version.h"

namespace mmusim::cli {
namespace {

std::string usage() {
  return "mmusim replays recorded programs through simulated MMUs and page tables.\n\n"
         "usage: mmusim COMMAND [ARGUMENTS]\n\n" +
         list_of(commands()) +
         "\n"
         "  mmusim COMMAND --help   what the command takes\n"
         "  mmusim --version        version, build and compiler\n";
}

std::string version_text() {
  const Version v = version();
  return fmt::format("mmusim {} ({}{} build, {})\n", v.number,
                     v.commit.empty() ? "" : "commit " + v.commit + ", ", v.build_type, v.compiler);
}

void run_command(const Words& words) {
  if (words.empty() || words.front() == "--help" || words.front() == "-h" ||
      words.front() == "help") {
    print(usage());
  } else if (words.front() == "--version" || words.front() == "version") {
    print(version_text());
  } else {
    dispatch(commands(), words);
  }
  flush_output();
}

int guarded(const Words& words) {
  try {
    const std::string failure = failure_of([&] { run_command(words); });
    if (failure.empty()) return 0;
    error(failure);
  } catch (const ClosedOutput&) {
    return 0;
  } catch (const ProgramStatus& program) {
    return program.status;
  } catch (const Error& e) {
    error(e.what());
    interruption_told();
    return e.exit_status();
  } catch (const std::bad_alloc&) {
    error("out of memory");
  } catch (const std::ios_base::failure& e) {
    error(fmt::format("input or output failed: {}", e.what()));
  } catch (const std::exception& e) {
    error(fmt::format("unexpected: {}; please report this", e.what()));
  } catch (...) {  // a plug-in may throw anything
    error("unexpected: an exception of a type that is not known; is it a plug-in's?");
  }
  return Error::kFailure;
}

bool at_end = false;

// The program comes to its end in main(): whoever calls exit() before, as a plug-in may, must not
// make it look as if all had been done.
void look_at_end() {
  if (at_end) return;
  error("something called exit(); a plug-in? Nothing more was done");
  std::_Exit(Error::kFailure);
}

}  // namespace
}  // namespace mmusim::cli

int main(int argc, char** argv) {
  mmusim::cli::prepare_streams();
  mmusim::catch_interrupts();
  mmusim::program_file();  // before a command goes to another folder
  mmusim::OutputFile::on_leftover([](const std::string& path) {
    mmusim::cli::note("removed " + path + ", which an earlier run that was killed had left");
  });
  std::atexit(mmusim::cli::look_at_end);
  const int status =
      mmusim::cli::guarded(mmusim::cli::Words(argv + (argc > 0 ? 1 : 0), argv + argc));
  mmusim::cli::at_end = true;
  return status;
}
