// Logs of lackey as Valgrind 3.19 printed them, cut down, and what becomes of them.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_LACKEY_LOGS_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_LACKEY_LOGS_H_

#include <fmt/format.h>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "recording_sink.h"

namespace mmusim::trace::lackey {

inline std::string header(int pid, const std::string& command, int parent = 1) {
  return fmt::format(
      "=={0}== Lackey, an example Valgrind tool\n"
      "=={0}== Copyright (C) 2002-2017, and GNU GPL'd, by Nicholas Nethercote.\n"
      "=={0}== Using Valgrind-3.19.0 and LibVEX; rerun with -h for copyright info\n"
      "=={0}== Command: {1}\n=={0}== Parent PID: {2}\n=={0}== \n",
      pid, command, parent);
}

inline constexpr const char* kForked = " --> [pre-success] Success(0x0) \n";

inline std::string exit_group(int pid, int status) {
  return fmt::format("SYSCALL[{},1](231) exit_group( {} ) --> [pre-success] Success(0x0) \n", pid,
                     status);
}

inline std::string fork_line(int pid, int child) {
  return fmt::format(
      "SYSCALL[{0},1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4a29a10, 0x0 )   clone(fork): process "
      "{0} created child {1}\n --> [pre-success] Success(0x{1:x}) \n",
      pid, child);
}

inline std::string vfork_line(int pid, int child) {
  return fmt::format(
      "SYSCALL[{0},1](58) sys_fork ( )   fork: process {0} created child {1}\n --> [pre-success] "
      "Success(0x{1:x}) \n",
      pid, child);
}

inline std::string wait_lines(int pid, int child) {
  return fmt::format(
      "SYSCALL[{0},1](61) sys_wait4 ( 4294967295, 0x1fff0005fc, 0, 0x0 ) --> [async] ... \n"
      "SYSCALL[{0},1](61) ... [async] --> Success(0x{1:x}) \n",
      pid, child);
}

inline Imported import_one(const std::string& body, const Options& options = {}) {
  const TemporaryDirectory directory;
  return import({directory.write("a.7.1", header(7, "prog") + body)}, options);
}

inline Imported import_many(const std::map<std::string, std::string>& logs,
                            const Options& options = {}) {
  const TemporaryDirectory directory;
  std::vector<std::string> paths;
  for (const auto& [name, content] : logs)
    paths.push_back(directory.write(name, content));
  return import(paths, options);
}

inline std::string error_of(const std::string& body) {
  try {
    import_one(body);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(text.find("a.7.1"));
  }
  return "no error";
}

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_LACKEY_LOGS_H_
