// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qrap_args.c - the command line of QEMU, with its network replaced by ours
 *
 * Two walks over the words. The first one reads: the machine's type, and which
 * places on its buses are taken by devices that stay. The second one copies
 * what stays, around our own words.
 *
 * Which options have a value we do not know, and need not: a word that begins
 * with a dash is an option, wherever it stands, but for the few options whose
 * value is free text. What we look for in values is read as QEMU does: "a,b=c"
 * where ",," stands for a comma, or a JSON object.
 *
 * Where our device names its place (PCI slot, device number) it comes first, so
 * that QEMU places devices without an address around it. On a bridge it has to
 * come after that, which is a device of the user's, or ours.
 */
#include "qrap_args.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define VALUE_MAX	64	/* of those we look at */
#define MAC_TEXT	17

#define SLOT_FIRST	2U	/* behind the host bridge and the chipset */
#define SLOT_VGA	2U	/* of the graphics card nobody asked for */
#define SLOTS		32U
#define BUS_FIRST	3U
#define BUSES		256U
#define DEVNO_FIRST	1U
#define DEVNOS		65536U

enum vga { VGA_DEFAULT, VGA_YES, VGA_NONE };

enum machine { MACHINE_OTHER, MACHINE_PC, MACHINE_Q35, MACHINE_CCW };

static struct {
	enum machine machine;
	bool defaults;			/* no -nodefaults */
	enum vga vga;
	char mac[MAC_TEXT + 1];		/* of the first device taken out */
	uint8_t slot[SLOTS / 8];	/* taken on pci.0 */
	uint8_t bus[BUSES / 8];		/* pci.N has a device */
	uint8_t port[BUSES / 8];	/* pci.N is there */
	uint8_t devno[DEVNOS / 8];	/* fe.0.N is taken */
	char bridge[64], device[128];	/* what we add */
} edit;

/* ------------------------------------------------------------ values, read */

struct value {
	char s[VALUE_MAX];
	size_t len;
	bool number;		/* of JSON, not text */
};

static void clear(struct value *v)
{
	*v = (struct value){ .len = 0 };
}

/* Nothing we look for is longer than its buffer: cut off, it is no match */
static void put(struct value *v, char c)
{
	if (v->len < sizeof(v->s) - 1)
		v->s[v->len++] = c;
}

/* plain_value() - Copy up to the next comma that is one; what is behind it */
static const char *plain_value(const char *s, struct value *v)
{
	clear(v);
	for (; *s; s++) {
		if (*s == ',' && *++s != ',')
			break;
		put(v, *s);
	}
	return s;
}

/* plain_get() - From "a,b=c": "a" is the value of @implied. The last one counts
 * if there are several */
static bool plain_get(const char *s, const char *implied, const char *key,
		      struct value *v)
{
	bool first = true, found = false;
	struct value other;

	for (; *s; first = false) {
		size_t n = strcspn(s, "=,");
		bool match;

		if (s[n] == '=') {
			match = n == strlen(key) && !memcmp(s, key, n);
			s += n + 1;
		} else {
			match = first && !strcmp(implied, key);
		}
		found = found || match;
		s = plain_value(s, match ? v : &other);
	}
	return found;
}

/* json_string() - Copy to the closing quote, of the kind that opened; what is
 * behind it. Nobody needs escapes in what we look for */
static const char *json_string(const char *s, struct value *v)
{
	char quote = *s++;

	clear(v);
	for (; *s && *s != quote; s++) {
		if (*s == '\\' && s[1])
			s++;
		put(v, *s);
	}
	return *s ? s + 1 : s;
}

/* json_get() - From the outermost object of a JSON text */
static bool json_get(const char *s, const char *key, struct value *v)
{
	bool behind = false;		/* a key and its colon */
	bool match = false;
	unsigned depth = 0;
	struct value name;

	while (*s) {
		bool want = match && behind && depth == 1;

		if (*s == '"' || *s == '\'') {
			s = json_string(s, want ? v : &name);
			if (want)
				return true;
			if (!behind)
				match = !strcmp(name.s, key);
			continue;
		}
		if (want && isdigit((unsigned char)*s)) {
			v->number = true;
			while (isdigit((unsigned char)*s))
				put(v, *s++);
			return true;
		}
		if (*s == '{' || *s == '[')
			depth++;
		else if ((*s == '}' || *s == ']') && depth)
			depth--;
		else if (*s == ':' && depth == 1)
			behind = true;
		else if (*s == ',' && depth == 1)
			behind = false;
		s++;
	}
	return false;
}

/* get() - The value of @key in the value of an option; false, and empty, if it
 * has none */
static bool get(const char *s, const char *implied, const char *key,
		struct value *v)
{
	clear(v);
	return *s == '{' ? json_get(s, key, v) : plain_get(s, implied, key, v);
}

static bool get_device(const char *s, const char *key, struct value *v)
{
	return get(s, "driver", key, v);
}

/* ------------------------------------------------------------- the options */

struct option {
	const char *name;	/* without dashes, or "" if it is no option */
	const char *value;	/* the next word, if it may be one, or "" */
	int words;		/* with what follows and cannot be an option */
	bool is_text;		/* the value means nothing to QEMU */
};

static bool is_one_of(const char *s, const char *const list[], size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!strcmp(s, list[i]))
			return true;
	}
	return false;
}

#define ONE_OF(s, list)		is_one_of(s, list, ARRAY_LEN(list))

/* option_at() - Read argv[@i]; to go on at @i + .words */
static struct option option_at(int argc, char *const argv[], int i)
{
	static const char *const text[] = { "append", "name" };
	static const char *const ours[] = { "net", "netdev", "nic", "device",
					    "machine", "M", "vga" };
	struct option o = { "", "", 1, false };
	const char *s = argv[i];

	if (s[0] != '-' || !s[1])
		return o;
	o.name = s + (s[1] == '-' ? 2 : 1);
	if (i + 1 == argc || !(ONE_OF(o.name, ours) || ONE_OF(o.name, text)))
		return o;
	o.value = argv[i + 1];
	o.words = 2;
	o.is_text = ONE_OF(o.name, text);
	return o;
}

static bool is_device(const struct option *o)
{
	return !strcmp(o->name, "device");
}

static bool is_machine(const struct option *o)
{
	return !strcmp(o->name, "machine") || !strcmp(o->name, "M");
}

/* is_network() - Does it go? Whatever refers to a -netdev cannot stay without
 * it, known to us or not */
static bool is_network(const struct option *o)
{
	static const char *const options[] = { "net", "netdev", "nic" };
	static const char *const drivers[] = {
		"virtio-net-pci", "virtio-net-ccw", "virtio-net",
		"e1000", "e1000e", "rtl8139",
	};
	struct value v;

	if (o->words < 2)
		return false;		/* no value: that is for QEMU to say */
	if (ONE_OF(o->name, options))
		return true;
	if (!is_device(o))
		return false;
	get_device(o->value, "driver", &v);
	return ONE_OF(v.s, drivers) || get_device(o->value, "netdev", &v);
}

/* asks_help() - May this word be the value of an option that asks what there
 * is? */
static bool asks_help(const char *s)
{
	static const char *const values[] = { "help", "?" };
	const char *last = strrchr(s, ',');

	return ONE_OF(s, values) || (last && ONE_OF(last + 1, values));
}

bool qrap_args_idle(int argc, char *const argv[])
{
	static const char *const options[] = { "h", "help", "version" };
	bool may_be_value = false;
	struct option o;
	struct value v;
	int i;

	for (i = 1; i < argc; i += o.words) {
		o = option_at(argc, argv, i);
		if (ONE_OF(o.name, options))
			return true;
		if (is_machine(&o) && get(o.value, "type", "type", &v) &&
		    !strcmp(v.s, "none"))
			return true;
		if (!o.is_text && asks_help(o.value))
			return true;
		if (may_be_value && asks_help(argv[i]))
			return true;
		may_be_value = *o.name && o.words == 1;
	}
	return false;
}

bool qrap_args_done(int argc, char *const argv[])
{
	struct option o;
	int i;

	for (i = 1; i < argc; i += o.words) {
		o = option_at(argc, argv, i);
		if (!strcmp(o.name, "netdev") && !strcmp(o.value, QRAP_NETDEV))
			return true;
	}
	return false;
}

/* --------------------------------------------------------------- first walk */

/* hex() - The number at the start of @s, behind which is the end or @end */
static bool hex(const char *s, char end, unsigned long max, unsigned *n)
{
	unsigned long u;
	char *stop;

	if (!isxdigit((unsigned char)*s))
		return false;
	u = strtoul(s, &stop, 16);
	*n = (unsigned)u;
	return u <= max && (!*stop || *stop == end);
}

/* Which bus "pci.N" is */
static bool bus_number(const char *name, unsigned *n)
{
	uint64_t u;

	if (strncmp(name, "pci.", 4) ||
	    !parse_u64(name + 4, 10, 0, BUSES - 1, &u))
		return false;
	*n = (unsigned)u;
	return true;
}

/* "SLOT" or "SLOT.FUNCTION", hexadecimal; a number has both in it */
static bool slot_number(const struct value *addr, unsigned *n)
{
	uint64_t u;

	if (!addr->number)
		return hex(addr->s, '.', SLOTS - 1, n);
	if (!parse_u64(addr->s, 10, 0, SLOTS * 8 - 1, &u))
		return false;
	*n = (unsigned)u / 8;
	return true;
}

/* Where the @device is that stays */
static void take_place(const char *device)
{
	struct value v;
	unsigned n;

	if (get_device(device, "id", &v) && bus_number(v.s, &n))
		bit_set(edit.port, n);

	/* CSSID.SSID.DEVNO, all hexadecimal */
	if (get_device(device, "devno", &v) && !strncmp(v.s, "fe.0.", 5) &&
	    hex(v.s + 5, '\0', DEVNOS - 1, &n))
		bit_set(edit.devno, n);

	/* Without a bus it is on the first one */
	if (get_device(device, "bus", &v) && strcmp(v.s, "pci.0")) {
		if (bus_number(v.s, &n))
			bit_set(edit.bus, n);
		return;
	}
	if (get_device(device, "addr", &v) && slot_number(&v, &n))
		bit_set(edit.slot, n);
}

/* Six pairs of digits: what will be part of a list of properties */
static bool is_mac(const char *s)
{
	int i;

	for (i = 0; i < MAC_TEXT; i++) {
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return !s[i];
}

/* The guest shall have the MAC address it was given */
static void take_mac(const struct option *o)
{
	const char *key = strcmp(o->name, "net") ? "mac" : "macaddr";
	struct value v;

	if (!*edit.mac && get(o->value, "", key, &v) && is_mac(v.s))
		(void)str_copy(edit.mac, sizeof(edit.mac), v.s);
}

static enum machine machine_of(const char *type)
{
	if (!strcmp(type, "q35") || !strncmp(type, "pc-q35", 6))
		return MACHINE_Q35;
	if (!strcmp(type, "pc") || !strncmp(type, "pc-", 3))
		return MACHINE_PC;
	if (!strncmp(type, "s390-ccw", 8))
		return MACHINE_CCW;
	return MACHINE_OTHER;
}

static enum machine default_machine(const char *arch)
{
	static const char *const x86[] = { "x86_64", "i386" };

	if (ONE_OF(arch, x86))
		return MACHINE_PC;
	return strcmp(arch, "s390x") ? MACHINE_OTHER : MACHINE_CCW;
}

static void read_option(const struct option *o)
{
	struct value v;

	if (is_network(o))
		take_mac(o);
	else if (is_device(o))
		take_place(o->value);
	else if (is_machine(o) && get(o->value, "type", "type", &v))
		edit.machine = machine_of(v.s);
	else if (!strcmp(o->name, "vga"))
		edit.vga = strcmp(o->value, "none") ? VGA_YES : VGA_NONE;
	else if (!strcmp(o->name, "nodefaults"))
		edit.defaults = false;
}

static void read_all(int argc, char *const argv[], const char *arch)
{
	struct option o;
	int i;

	memset(&edit, 0, sizeof(edit));
	edit.machine = default_machine(arch);
	edit.defaults = true;
	edit.vga = VGA_DEFAULT;
	for (i = 1; i < argc; i += o.words) {
		o = option_at(argc, argv, i);
		read_option(&o);
	}
}

/* --------------------------------------------------------------- our device */

/* first_free() - From @n on; @size if there is none */
static unsigned first_free(const uint8_t *taken, unsigned n, unsigned size)
{
	while (n < size && bit_test(taken, n))
		n++;
	return n;
}

static void device(const char *driver, const char *place)
{
	bool mac = *edit.mac;

	(void)snprintf(edit.device, sizeof(edit.device),
		       "%s%s,netdev=hostnet0,x-txburst=4096%s%s", driver, place,
		       mac ? ",mac=" : "", mac ? edit.mac : "");
}

static const char *place_on_pc(void)
{
	char place[32];
	unsigned n;

	/* One that is asked for takes the same slot as the default one */
	if (edit.vga == VGA_YES || (edit.vga == VGA_DEFAULT && edit.defaults))
		bit_set(edit.slot, SLOT_VGA);
	n = first_free(edit.slot, SLOT_FIRST, SLOTS);
	if (n == SLOTS)
		return "no slot of bus pci.0 is free for the network device";
	(void)snprintf(place, sizeof(place), ",bus=pci.0,addr=0x%x", n);
	device("virtio-net-pci", place);
	return NULL;
}

static const char *place_on_q35(void)
{
	char place[32];
	unsigned n;

	n = first_free(edit.bus, BUS_FIRST, BUSES);
	if (n == BUSES)
		return "no bus from pci.3 on is free for the network device";
	if (!bit_test(edit.port, n)) {
		(void)snprintf(edit.bridge, sizeof(edit.bridge),
			       "pcie-root-port,id=pci.%u,chassis=%u", n, n);
	}
	(void)snprintf(place, sizeof(place), ",bus=pci.%u,addr=0x0", n);
	device("virtio-net-pci", place);
	return NULL;
}

static const char *place_on_ccw(void)
{
	char place[32];
	unsigned n;

	n = first_free(edit.devno, DEVNO_FIRST, DEVNOS);
	if (n == DEVNOS)
		return "no device number is free for the network device";
	/* QEMU insists on four digits */
	(void)snprintf(place, sizeof(place), ",devno=fe.0.%04x", n);
	device("virtio-net-ccw", place);
	return NULL;
}

static const char *place_device(void)
{
	switch (edit.machine) {
	case MACHINE_PC:
		return place_on_pc();
	case MACHINE_Q35:
		return place_on_q35();
	case MACHINE_CCW:
		return place_on_ccw();
	case MACHINE_OTHER:
		break;
	}
	device("virtio-net-pci", "");		/* QEMU will find a place */
	return NULL;
}

/* -------------------------------------------------------------- second walk */

static const char **put_device(const char **out, const char *what)
{
	*out++ = "-device";
	*out++ = what;
	return out;
}

const char *qrap_args_edit(const char **out, int argc, char *const argv[],
			   const char *arch)
{
	bool first;
	const char *error;
	struct option o;
	int i, j;

	read_all(argc, argv, arch);
	error = place_device();
	if (error)
		return error;

	*out++ = argv[0];
	*out++ = "-netdev";
	*out++ = QRAP_NETDEV;
	first = edit.machine == MACHINE_PC || edit.machine == MACHINE_CCW;
	if (first)
		out = put_device(out, edit.device);
	for (i = 1; i < argc; i += o.words) {
		o = option_at(argc, argv, i);
		for (j = 0; j < o.words && !is_network(&o); j++)
			*out++ = argv[i + j];
	}
	if (*edit.bridge)
		out = put_device(out, edit.bridge);
	if (!first)
		out = put_device(out, edit.device);
	*out = NULL;
	return NULL;
}
