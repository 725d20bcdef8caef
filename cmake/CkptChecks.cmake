# SPDX-License-Identifier: MIT
# The gates of the house, run as tests; each is a script in cmake/checks, and
# gate.selftest shows that each can fail.
set(CKPT_CHECKS_DIR ${CMAKE_CURRENT_LIST_DIR}/checks)
find_package(Python3 3.9 COMPONENTS Interpreter)
find_program(CKPT_CLANG_FORMAT NAMES clang-format-14)

function(ckpt_add_gate name)
    add_test(NAME gate.${name}
             COMMAND Python3::Interpreter ${CKPT_CHECKS_DIR}/${name}.py
                     ${PROJECT_SOURCE_DIR} ${ARGN})
endfunction()

# Called once all targets are known. The text is the same in every build, so
# the builds with sanitizers leave the gates to the plain one.
function(ckpt_add_checks)
    if(CKPT_SANITIZE)
        return()
    endif()
    get_property(plugins GLOBAL PROPERTY CKPT_PLUGINS)
    get_property(later GLOBAL PROPERTY CKPT_LATER)
    list(APPEND plugins ${later})
    list(TRANSFORM plugins REPLACE "(.+)" "$<TARGET_FILE:\\1>")
    foreach(gate includes formats calls lengths lines)
        ckpt_add_gate(${gate})
    endforeach()
    ckpt_add_gate(names $<TARGET_FILE:libckpt> ${plugins})
    if(CKPT_CLANG_FORMAT)
        ckpt_add_gate(layout ${CKPT_CLANG_FORMAT})
    endif()
    add_test(NAME gate.selftest
             COMMAND Python3::Interpreter ${CKPT_CHECKS_DIR}/selftest.py)
endfunction()
