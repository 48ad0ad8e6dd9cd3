// startable.hpp - which programs of this host may be started at all: none that somebody else decides about.
//
// A guest writes in its workspace, and a program that lies there, or is reached through a link there, is the guest's
// program: it must never run on the host, not even to ask for its version. find_program and spawn ask here, and so does
// whoever hands a program's path on to somebody else to start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/held_directory.hpp"

namespace agentvm {

/// Nothing that lies in or above one of these directories is started by this process from now on; they add up. "Above"
/// (a program's own directory that holds one of them): programs load what lies beside them. Paths are absolute and
/// without links. Call it before there are threads.
void never_start_from(const std::vector<std::string>& directories);

/// The one of those directories that keeps a program (a path) from being started; nullopt: none does, or there is no
/// such file. What counts is where the path leads, and where each link on the way lies.
std::optional<std::string> forbidden_place(const std::string& program);

/// The sentence about it, without a full stop: "/W/bin/tool is not started, because a guest may write in /W".
std::string not_started(const std::string& program, const std::string& place);

/// The one of those directories in which a file lies, or a link on the way to it: for what is read as the user's own
/// configuration. nullopt: none, or there is no such file.
std::optional<std::string> place_of_others(const std::string& path);

/// The one of those directories that a link which lies in it led out of: where it leads is the guest's choice. nullopt:
/// none did.
std::optional<std::string> led_out_of(const ResolvedPath& found);

/// A $PATH without its relative entries and those that lie in such a directory: what children look programs up in
/// (`#!/usr/bin/env`) is not checked by us.
std::string startable_path(const std::string& path);

}  // namespace agentvm
