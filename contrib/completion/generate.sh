#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# generate.sh bash|zsh|fish TABLE - completions of both names of the program
#
# TABLE is conf.c, whose options[] says all there is to say: names, arguments,
# modes and the line of help. It is read as text, not by running the program, so
# that a build for another machine has completions as well. What may be given as
# an argument follows from its name in the table; test/e2e/completion.t compares
# the result with --help.
[ $# = 2 ] || {
	echo "Usage: $0 bash|zsh|fish TABLE" >&2
	exit 1
}

exec awk -v shell="$1" '
# What to offer for an argument: a list of words, or one of <file>, <netns>,
# <device>, <user>
function offer(name, arg, help, mode)
{
	if (arg == "PATH|NAME")
		return "<netns>"
	if (arg == "PATH" || arg == "FILE")
		return "<file>"
	if (name == "interface" || name ~ /^outbound-if/)
		return "<device>"
	if (arg ~ /^UID/)
		return "<user>"
	if (arg == "SPEC")
		return mode == "pasta" ? "none auto" : "none all"
	return help ~ /\047none\047/ ? "none" : ""
}

# One row of the table, as text
function row(text,    head, help, name, arg, letter, modes)
{
	if (!match(text, /(ANY|PASST|PASTA),[ \t]*"/)) {
		print "generate.sh: not a row: " text >"/dev/stderr"
		exit failed = 1
	}
	head = substr(text, 1, RSTART)
	modes = substr(text, RSTART, 5)
	help = substr(text, RSTART + RLENGTH)
	sub(/"[ \t]*[}][ \t]*$/, "", help)
	gsub(/"[ \t]*"/, "", help)
	gsub(/\\n/, " ", help)

	name = head
	sub(/^[{] *"/, "", name)
	sub(/".*/, "", name)
	arg = head
	sub(/^[{] *"[^"]*", */, "", arg)
	arg = arg ~ /^"/ ? substr(arg, 2, index(substr(arg, 2), "\"") - 1) : ""
	letter = match(head, /\047.\047/) ? substr(head, RSTART + 1, 1) : ""

	if (modes !~ /PASTA/)
		keep("passt", name, letter, arg, help)
	if (modes !~ /PASST/)
		keep("pasta", name, letter, arg, help)
}

function keep(mode, name, letter, arg, help,    i)
{
	i = ++n[mode]
	NAME[mode, i] = name
	LETTER[mode, i] = letter
	ARG[mode, i] = arg
	HELP[mode, i] = help
	OFFER[mode, i] = arg == "" ? "" : offer(name, arg, help, mode)
}

/^static const struct option_row options\[\]/ { inside = 1; next }
inside && /^[}];/ { inside = 0 }
inside {
	text = text (text == "" ? "" : " ") $0
	if (text ~ /[}],$/) {
		sub(/,$/, "", text)
		row(text)
		text = ""
	}
}

# --- bash ---

function bash_case(mode, i)
{
	return mode ":--" NAME[mode, i] \
		(LETTER[mode, i] == "" ? "" : "|" mode ":-" LETTER[mode, i])
}

function bash_mode(mode,    i, words, what)
{
	for (i = 1; i <= n[mode]; i++) {
		words = words " --" NAME[mode, i]
		if (LETTER[mode, i] != "")
			words = words " -" LETTER[mode, i]
		if (ARG[mode, i] == "")
			continue
		what = OFFER[mode, i]
		if (what == "<file>")
			what = "compgen -f -- \"$1\""
		else if (what == "<netns>")
			what = "ls /run/netns 2>/dev/null | grep -F -- \"$1\"; " \
				"compgen -f -- \"$1\""
		else if (what == "<device>")
			what = "compgen -W \"$(ls /sys/class/net)\" -- \"$1\""
		else if (what == "<user>")
			what = "compgen -u -- \"$1\""
		else
			what = "compgen -W \"" what "\" -- \"$1\""
		args = args "\t" bash_case(mode, i) ") " what " ;;\n"
	}
	return words
}

function bash(    passt, pasta)
{
	passt = bash_mode("passt")
	pasta = bash_mode("pasta")
	print "# Completions of passt and pasta, made from the table of options\n"
	print "# _passt_arg WORD MODE:OPTION - Offers for its argument; fails if it has none"
	print "_passt_arg()\n{\n\tcase $2 in\n" args "\t*) return 1 ;;\n\tesac\n\treturn 0\n}\n"
	print "_passt()\n{"
	print "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
	print "\tlocal mode=passt words=\"" substr(passt, 2) "\" i w out"
	print "\tif [[ ${COMP_WORDS[0]##*/} == *pasta* ]]; then"
	print "\t\tmode=pasta words=\"" substr(pasta, 2) "\"\n\tfi"
	print "\tCOMPREPLY=()"
	print "\t# A command of pasta: its words are its own"
	print "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tw=${COMP_WORDS[i]}"
	print "\t\tif [[ $w == -- || $w != [-=]* ]]; then\n\t\t\t[[ $mode == pasta ]] || return"
	print "\t\t\t[[ $w == -- && $((i + 1)) == \"$COMP_CWORD\" ]] &&"
	print "\t\t\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n\t\t\treturn\n\t\tfi"
	print "\t\t_passt_arg \"\" \"$mode:$w\" >/dev/null || continue"
	print "\t\t[[ ${COMP_WORDS[i+1]} == = ]] && ((i++))\n\t\t((i++))\n\tdone"
	print "\tif [[ $cur == = ]]; then\n\t\tcur=\n\telif [[ $prev == = ]]; then"
	print "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n\tfi"
	print "\tif out=$(_passt_arg \"$cur\" \"$mode:$prev\"); then"
	print "\t\t[[ -z $out ]] || mapfile -t COMPREPLY <<<\"$out\""
	print "\telif [[ $cur == -* || $mode == passt ]]; then"
	print "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")"
	print "\telse\n\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n\tfi\n}\n"
	print "complete -o default -F _passt passt pasta"
}

# --- zsh ---

function zsh_action(what)
{
	if (what == "<file>")
		return "_files"
	if (what == "<netns>")
		return "_alternative \"names:name:(${netns[*]})\" \"paths:path:_files\""
	if (what == "<device>")
		return "_net_interfaces"
	if (what == "<user>")
		return "_users"
	return what == "" ? " " : "(" what ")"
}

function zsh_mode(mode,    i, spec, help, arg)
{
	print "\topts=("
	for (i = 1; i <= n[mode]; i++) {
		help = HELP[mode, i]
		gsub(/[]:\\[]/, "\\\\&", help)
		gsub(/\047/, "\047\\\047\047", help)
		arg = ARG[mode, i]
		spec = "\047[" help "]"
		if (arg != "")
			spec = spec ":" arg ":" zsh_action(OFFER[mode, i])
		spec = spec "\047"
		if (arg != "")
			spec = "\047*\047" (LETTER[mode, i] == "" ? \
				"--" NAME[mode, i] "=" : \
				"{-" LETTER[mode, i] "+,--" NAME[mode, i] "=}") spec
		else if (LETTER[mode, i] != "")
			spec = "\047(-" LETTER[mode, i] " --" NAME[mode, i] ")\047{-" \
				LETTER[mode, i] ",--" NAME[mode, i] "}" spec
		else
			spec = "--" NAME[mode, i] spec
		print "\t\t" spec
	}
	if (mode == "pasta")
		print "\t\t\047*::command:_normal\047"
	print "\t)"
}

function zsh()
{
	print "#compdef passt pasta\n# Made from the table of options"
	print "local -a opts netns=(/run/netns/*(N:t))"
	print "case $service in\n*pasta*)"
	zsh_mode("pasta")
	print "\t;;\n*)"
	zsh_mode("passt")
	print "\t;;\nesac\n_arguments -s -S : $opts"
}

# --- fish ---

function fish_mode(mode,    i, help, what, line)
{
	for (i = 1; i <= n[mode]; i++) {
		help = HELP[mode, i]
		gsub(/\\/, "\\\\", help)
		gsub(/\047/, "\\\047", help)
		line = "complete -c " mode " -l " NAME[mode, i]
		if (LETTER[mode, i] != "")
			line = line " -s " LETTER[mode, i]
		what = OFFER[mode, i]
		if (what == "<file>")
			line = line " -rF"
		else if (what == "<netns>")
			line = line " -rFa \047(command ls /run/netns 2>/dev/null)\047"
		else if (what == "<device>")
			line = line " -xa \047(command ls /sys/class/net)\047"
		else if (what == "<user>")
			line = line " -xa \047(__fish_complete_users)\047"
		else if (what != "")
			line = line " -xa \047" what "\047"
		else if (ARG[mode, i] != "")
			line = line " -x"
		print line " -d \047" help "\047"
	}
}

function fish(    i, skip)
{
	for (i = 1; i <= n["pasta"]; i++)
		if (ARG["pasta", i] != "")
			skip = skip " --" NAME["pasta", i] \
				(LETTER["pasta", i] == "" ? "" : " -" LETTER["pasta", i])
	print "# Completions of passt and pasta, made from the table of options"
	print "complete -c passt -f"
	print "complete -c pasta -xa \047(__fish_complete_subcommand" skip ")\047"
	fish_mode("passt")
	fish_mode("pasta")
}

END {
	if (failed || !n["passt"] || !n["pasta"] || text != "") {
		print "generate.sh: no table of options found" >"/dev/stderr"
		exit 1
	}
	if (shell == "bash")
		bash()
	else if (shell == "zsh")
		zsh()
	else if (shell == "fish")
		fish()
	else
		exit 1
}' "$2"
