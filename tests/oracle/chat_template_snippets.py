"""Small templates, one feature each, for chat_templates.py."""

VARIABLES = {
    "x": 5, "y": 2.5, "neg": -7, "zero": 0, "big": 1234567890123, "t": True, "f": False, "n": None,
    "s": "Hello, World", "e": "", "u": "Grüße, 世界! 😀 ǆ ß Σίσυφος", "q": "it's \"quoted\"\n\ttab\\", "sp": "  padded \n\t",
    "l": [3, 1, 2], "ls": ["banana", "Apple", "cherry", "apple"], "le": [], "nest": [[1, 2], [3, [4, 5]], []],
    "d": {"b": 1, "a": [1, 2.0, None], "c": {"k": "v"}}, "de": {},
    "users": [
        {"name": "Bob", "age": 30, "city": "Oslo", "ok": True}, {"name": "ann", "age": 25, "city": "oslo", "ok": False},
        {"name": "Cid", "age": 30, "city": "Bergen"}, {"name": "dan", "age": None, "city": "Bergen", "ok": None},
    ],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U1"},
                 {"role": "assistant", "content": "A1"}, {"role": "user", "content": "U2"}],
    "tool": {"type": "function", "function": {"name": "f", "description": "d <b> & 'é'", "parameters": {
        "type": "object", "properties": {"loc": {"type": "string", "enum": ["a", "b"]}}, "required": ["loc"]}}},
    "html": "<a href=\"x\">T & 'C'</a>", "lines": "one\ntwo\r\nthree\n\nfive\x0bsix\u2028seven", "floats": [0.1, 1e16, 1e-5, 1.5e300, 100.0, -0.0, 123456789.123],
}

EXPRESSIONS = r"""
x|y|x + y|x - 10|x * 3|x / 2|x // 2|x % 3|neg // 2|neg % 3|neg % -3|x ** 2|2 ** -1|2 ** 0.5|y // 1|y % 2|-x|+x|- x + 3|-x ** 2|--x
x ~ y ~ s|x ~ n ~ t|1 + 2 * 3 - 4 / 2|(1 + 2) * 3|7 // -2|-7 // 2|7 % -2|7.5 // 2|-7.5 % 2|1 / 3|10 / 5|0.1 + 0.2|1e3|1.5e-7|1_000|0x1F|0b101|0o17|1e400|x / 0|x // 0|x % 0|9223372036854775807
x == 5|x != 5|x == 5.0|t == 1|s == 'Hello, World'|x < 6|1 < x < 10|1 < x > 10|x >= 5 <= 6|'a' < 'b'|[1,2] < [1,3]|(1,2) == [1,2]|l == [3,1,2]|n == none|d == d|1 < 'a'|none < 1|'B' < 'a'|'é' > 'z'|undefd == undefd|undefd == none|undefd < 1
x in l|3 in l|3 not in l|'ell' in s|'' in s|'b' in d|'z' in d|1 in s|x in undefd|n in l|'a' in n|[1,2] in nest|(1,2) in nest|not x|not not x|not e|x and y|x or y|zero or e|zero and y|n or 'd'|x and zero or 'last'|not x in l
'yes' if x else 'no'|'yes' if zero else 'no'|'yes' if zero|('yes' if zero) is defined|'a' if zero else 'b' if e else 'c'|(x if t else y) + 1
undefd|undefd.x|undefd['x']|undefd + 1|undefd ~ 'a'|undefd is defined|undefd|default('d')|undefd()|d.zzz|d.zzz.y|d['zzz']|d.b|d['b']|d.c.k|d['c']['k']|d.a[0]|d.a[-1]|d.a[9]|d.a.9|d.a.0|l[0]|l[-1]|l['x']|l.x|s[0]|s[-1]|s[99]|u[7]|u[13]|u[-1]|x.y|n.y|x[0]|n[0]|d[n]|d[l]|d[1]|l[1.0]|l[true]
s[1:]|s[:5]|s[::2]|s[::-1]|s[-5:-1]|s[5:1:-1]|s[100:]|s[:-100]|u[3:8]|u[::-1]|l[1:]|l[::-1]|l[:-1]|l[::2]|l[5:]|(1,2,3)[1:]|range(10)[2:8:3]|d[1:]|x[1:]|n[1:]|s[::0]|s['a':]|l[none:2]|messages[1:]|length|undefd[1:]|s[-3:]|s[:0]|l[-100:100]
[1, 'a', none, true, 2.5]|(1,)|()|(1, 2)|1, 2|{'a': 1, 'b': [1, {'c': none}]}|{}|[]|[[]]|{1: 2, 1.0: 3, true: 4}|{'a': 1, 'a': 2}|{(1,2): 3}|{[1]: 2}|[1,2,]|{'a':1,}|{'x': undefd}|[undefd]
'single'|"double"|'esc\n\t\\\'\"'|'\x41\u00e9\U0001F600\101'|'a' 'b' "c"|'\q'|'\é'|'line\
cont'|'\z\é\世\😀'|"it's"|['it\'s', 'say "hi"', 'both \' "', 'tab\t', '\x00\x7f\xa0\u200b\ud83d', 'é世😀']|[s, q, u]|'{{'|"}}"|'%}'
s.upper()|s.lower()|u.upper()|u.lower()|u.title()|u.capitalize()|u.swapcase()|s.title()|"they're bill's".title()|'ΑΣ ΑΣΑ Σ'.lower()|'ŉ ﬁ ǰ'.upper()|'ﬁx'.title()|'İ'.lower()|'ß'.title()|s.swapcase()|'hello world'.capitalize()
sp.strip()|sp.lstrip()|sp.rstrip()|'xxhixx'.strip('x')|'xyhiyx'.strip('xy')|'xxhixx'.lstrip('x')|'xxhixx'.rstrip('x')|s.strip('Hd')|'\u3000a\xa0'.strip()|sp.strip(none)|'ééaé'.strip('é')|s.strip(1)
s.split()|s.split(',')|s.split(', ')|' a  b c '.split()|' a  b c '.split(none, 1)|' a  b c '.rsplit(none, 1)|'a,b,c'.split(',', 1)|'a,b,c'.rsplit(',', 1)|'a,b,c'.split(',', maxsplit=1)|'a,b'.split(sep=',')|''.split()|''.split(',')|'abc'.split('')|s.split('o')|s.split('o')[-1]|' '.split()|' a b '.split(none, 0)|'</think>x</think>y'.split('</think>')[-1].lstrip('\n')|' a b '.rsplit(none, 0)|'a  b  c'.rsplit(none, 1)
lines.splitlines()|lines.splitlines(true)|''.splitlines()|'\n'.splitlines()|'a\n'.splitlines(keepends=true)|s.partition(', ')|s.partition('zz')|s.rpartition('o')|s.rpartition('zz')
s.startswith('He')|s.startswith('he')|s.endswith('ld')|s.startswith(('a','He'))|s.startswith('ell', 1)|s.endswith('Hell', 0, 4)|s.startswith('')|s.startswith(n)|s.startswith(['H'])|s.startswith('H', 99)|s.endswith('', 99)
s.find('o')|s.rfind('o')|s.find('zz')|s.find('o', 5)|s.find('o', 5, 7)|u.find('世')|u.rfind('ß')|s.index('o')|s.index('zz')|s.count('o')|s.count('')|s.count('l', 4)|u.count('')|s.find('')|s.rfind('')|s.count('ll')|u.find('界', -20)
s.replace('o', '0')|s.replace('o', '0', 1)|'abc'.replace('', '-')|'abc'.replace('', '-', 2)|''.replace('', 'x')|s.replace('zz', 'y')|s.replace('l', '')|u.replace('ü', 'ue')|'aaa'.replace('aa', 'b')|s.replace(1, 2)
', '.join(ls)|''.join(['a'])|'-'.join([])|'-'.join('abc')|', '.join([1, 2])|'-'.join(d)|'-'.join(undefd)|'-'.join(n)|','.join(ls|map('upper'))
'abc'.removeprefix('a')|'abc'.removeprefix('x')|'abc'.removesuffix('c')|'abc'.removesuffix('')|'5'.zfill(3)|'-5'.zfill(4)|'abc'.zfill(2)|'a'.center(5)|'ab'.center(5)|'abc'.center(6)|'a'.center(6, '*')|'a'.ljust(3)|'a'.ljust(3, '.')|'a'.rjust(3)|'a\tb'.expandtabs()|'ab\tc'.expandtabs(4)|'世'.center(4)|'世'.ljust(3, 'é')
'123'.isdigit()|'²'.isdigit()|'²'.isdecimal()|'½'.isnumeric()|'abc'.isalpha()|'abc1'.isalnum()|' '.isspace()|''.isspace()|'ab'.islower()|'aB'.islower()|'AB'.isupper()|'A1'.isupper()|'1'.isupper()|'Ab Cd'.istitle()|'Ab cd'.istitle()|'abc'.isidentifier()|'1a'.isidentifier()|'é'.isascii()|'a\n'.isprintable()|''.isprintable()|'世'.isalpha()|'五'.isnumeric()|'ª'.islower()
'{} {}'.format(1, 'a')|'{0} {1} {0}'.format(1, 'a')|'{a} {b}'.format(a=1, b=2)|'{:>5}|{:<5}|{:^5}'.format(1, 'a', 'b')|'{:.2f}'.format(y)|'{:05d}'.format(42)|'{:,}'.format(big)|'{:x} {:X} {:#x} {:b} {:o}'.format(255, 255, 255, 5, 8)|'{!r} {!s}'.format('a', 'b')|'{0.c.k} {0[b]}'.format(d)|'{{}}'.format()|'{}'.format()|'{:e}'.format(12345.678)|'{:g} {:g}'.format(0.0001, 1e20)|'{:%}'.format(0.25)|'{:.1%}'.format(0.256)|'{:+d} {: d}'.format(5, 5)|'{:*^7}'.format('x')|'{:>{w}}'.format('a', w=4)|'{:.3}'.format('abcdef')|'{:_}'.format(1000000)|'{a[0]}'.format(a=l)|'{}'.format(n)|'{:.2}'.format(3.14159)|'{:10.3f}!'.format(y)|'{:=+6}'.format(3)|'{:d}'.format('a')|'{:>5}'.format(true)|'{'.format()|'{x'.format(x=1)|'{0}{}'.format(1)|'{a}'.format_map({'a': 3})
'%s %s' % ('a', 1)|'%d' % 5|'%5d|%-5d|%05d' % (1, 2, 3)|'%.2f' % y|'%x %X %o' % (255, 255, 8)|'%r' % 'a'|'%(a)s %(b)d' % {'a': 1, 'b': 2}|'%%' % ()|'100%%' % ()|'%s' % l|'%s' % n|'%e' % 12345.678|'%g' % 0.00001|'%c%c' % ('a', 66)|'%+d % d' % (5, 5)|'%s' % ('a', 'b')|'%s %s' % 'a'|'%d' % 'a'|'%.3s' % 'abcdef'|'%5s|%-5s|' % ('a', 'b')|'%*d' % (5, 3)|'%#x' % 255|'%i' % 3.9|'%s' % {'a': 1}|'a' % l|'a' % 1
d.items()|d.keys()|d.values()|d.items()|list|d.get('b')|d.get('z')|d.get('z', 'def')|d.get('z', default=1)|d.copy()|d.update({'a': 1})|d.pop('a')|d.update|d.update is defined|l.append(1)|l.append is defined|d.clear|{'items': 5}['items']|d.items()[0]|d.items()|first|d.keys()|last|d.items()|length|'b' in d.keys()|1 in d.values()|d.__class__|d.__class__.x|s.__class__|x.__class__ is defined|d._foo|{'_foo': 1}._foo|l.count(1)|l.index(2)|l.index(9)|(1,2,1).count(1)|l.copy()|l.pop()|l.sort()|l.reverse()|l.extend([1])|y.is_integer()
range(5)|range(5)|list|range(1, 10, 3)|list|range(5, 0, -2)|list|range(0)|list|range(3)|length|range(3)[1]|range(3)[-1]|range(3)[5]|range(1000000)|range('a')|range(1, 2, 0)|2 in range(5)|range(2.5)|range(5)|last|range(3) == range(0, 3)|range(5)|sum
dict(a=1, b=2)|dict({'a': 1}, b=2)|dict([('a', 1), ('b', 2)])|dict()|dict(d, b=5)|namespace(a=1).a|namespace({'a': 1}).a|namespace(_a=1)|namespace().x is defined|joiner(', ')()|cycler('a', 'b').next()|cycler()|strftime_now('')|raise_exception('boom')|raise_exception(n)|raise_exception('a' ~ x)|raise_exception()
x is defined|undefd is defined|undefd is undefined|x is odd|x is even|neg is odd|x is divisibleby 5|x is divisibleby(2)|n is none|x is none|undefd is none|t is boolean|x is boolean|t is true|f is false|x is true|1 is true|x is integer|t is integer|y is float|x is float|x is number|t is number|s is number|s is string|x is string|l is string|d is mapping|l is mapping|l is sequence|s is sequence|d is sequence|x is sequence|undefd is sequence|l is iterable|x is iterable|s is iterable|n is iterable|range is callable|s is callable|s.upper is callable|x is sameas 5|n is sameas none|t is sameas true|1 is sameas true|x is in l|x is in [5]|x is eq 5|x is equalto 5|x is ne 5|x is gt 4|x is lt 4|x is ge 5|x is le 4|x is greaterthan 4|x is lessthan 4|'abc' is lower|'ABC' is upper|s is lower|'upper' is filter|'nope' is filter|'odd' is test|x is not defined|x is not none|not x is none|x is defined and y is defined|x is nope|s is escaped|2.5 is odd|3.0 is odd|s is odd|x is defined if t|d.c is mapping and d.c.k is string
x is divisibleby zero|s is in s|'a' is in 'abc'|x is '=='|undefd is callable|l is eq [3,1,2]|x is even or x is odd|(x is odd) ~ ''|x is not in l|users[0].ok is true|users[2].ok is true|users[2].ok is defined|users[3].ok is defined|users[3].ok is none
e|default('d')|e|default('d', true)|n|default('d')|n|default('d', boolean=true)|undefd|d('x')|zero|default(7, true)|undefd|default|d.zz|default('q')|(undefd|default({})).x|undefd|default(none)
l|length|s|length|u|length|d|length|x|length|n|length|undefd|length|l|count|(l|map('string'))|length|(1,2)|length
ls|join|ls|join(', ')|l|join('-')|s|join('.')|users|join(', ', attribute='name')|d|join(',')|n|join|x|join|undefd|join|[1,none,true,'a']|join(' ')|ls|join(1)|ls|join(d='+')|[]|join('x')
ls|map('upper')|list|ls|map('replace', 'a', 'b')|list|users|map(attribute='name')|list|users|map(attribute='ok', default='?')|list|users|map(attribute='zz')|list|users|map(attribute='name')|map('lower')|join(' ')|nest|map('length')|list|l|map('nope')|list|l|map|list|n|map('upper')|list|undefd|map('upper')|list|users|map(attribute='name', foo=1)|list|nest|map(attribute=0)|list|nest|map(attribute='1')|list|nest|map('first')|list|x|map('upper')|list|[' a ', 'b']|map('trim')|list|ls|map('truncate', 3, true, '')|list
l|select('odd')|list|l|select|list|[0,1,'',none,2]|select|list|l|reject('odd')|list|[0,1,'']|reject|list|l|select('gt', 1)|list|l|select('in', [1,2])|list|users|selectattr('ok')|map(attribute='name')|list|users|rejectattr('ok')|map(attribute='name')|list|users|selectattr('age', 'eq', 30)|map(attribute='name')|list|users|selectattr('ok', 'defined')|list|length|users|selectattr('ok', 'none')|list|length|messages|selectattr('role', 'equalto', 'user')|list|messages|rejectattr('role', '==', 'system')|list|length|l|select('nope')|list|users|selectattr|list|messages|selectattr('role', 'in', ['user', 'system'])|map(attribute='content')|join|(messages|selectattr('role', 'equalto', 'user')|list)[-1].content|(messages|selectattr('role', 'equalto', 'user'))|first|l|select('odd')|length|l|select('odd')|tojson|l|select('odd')|last|l|select('odd')|first|n|select|list
l|first|l|last|le|first|le|last|s|first|s|last|u|last|d|first|d|last|undefd|first|undefd|last|n|first|x|last|range(3)|first|le|first is defined|(1,2)|last
l|list|s|list|d|list|undefd|list|x|list|u|list|range(3)|list|d.items()|list|(1,2)|list
l|sort|l|sort(reverse=true)|ls|sort|ls|sort(case_sensitive=true)|ls|sort(true)|users|sort(attribute='name')|map(attribute='name')|list|users|sort(attribute='city,name')|map(attribute='name')|list|users|sort(attribute='age')|list|[3,'a']|sort|d|sort|s|sort|[[2,1],[1,2]]|sort|[(1,'b'),(1,'a')]|sort|undefd|sort|[true, 0, 2.5]|sort|[3,1,2]|sort(reverse=true)|first
ls|unique|list|ls|unique(true)|list|[1,1.0,true,2]|unique|list|users|unique(attribute='city')|map(attribute='name')|list|nest|unique|list|'aAbB'|unique|list|le|unique|list|[none, none]|unique|list
l|min|l|max|ls|min|ls|max|le|min|le|max is defined|users|max(attribute='name')|s|max|ls|max(case_sensitive=true)|[1,'a']|min|[2.5, 1]|min
l|sum|le|sum|users[:3]|sum(attribute='age')|l|sum(start=10)|[1.5, 2]|sum|ls|sum|[[1],[2]]|sum(start=[])|[true, true]|sum|floats|sum|undefd|sum|['a']|sum(start='')
l|reverse|list|s|reverse|u|reverse|d|reverse|list|x|reverse|range(3)|reverse|list|l|reverse|first|l|reverse|length|l|reverse|tojson|messages|reverse|map(attribute='role')|join(',')
users|groupby('city')|users|groupby('age')|users[:3]|groupby('age')|map('first')|list|users|groupby('city')|map(attribute='grouper')|list|users|groupby('city', case_sensitive=true)|map(attribute='grouper')|list|users|groupby('ok', default=false)|list|length|(users|groupby('city'))[0].list|length|users|groupby('zz', default='q')|length
range(7)|batch(3)|list|range(7)|batch(3, 'x')|list|range(6)|batch(3)|list|le|batch(2)|list|range(7)|slice(3)|list|range(7)|slice(3, 'x')|list|range(2)|slice(3)|list|range(3)|batch(0)|list|range(3)|slice(0)|list|range(3)|batch(10, 0)|list|range(3)|batch(-1)|list
sp|trim|'xxhixx'|trim('x')|x|trim|n|trim|undefd|trim|l|trim|s|upper|s|lower|u|upper|x|upper|s|title|"they're (bill) [x] {y} <z> a-b éa ßa"|title|u|title|s|capitalize|u|capitalize|n|lower|'ALL CAPS'|title
s|replace('o', '0')|s|replace('o', '0', 1)|x|replace(5, 6)|s|replace('o', '0', count=1)|'aaa'|replace('', '-')|undefd|replace('a','b')|l|replace('1', 'X')|s|replace('o')
'a\nb\n\nc'|indent|'a\nb'|indent(2)|'a\nb'|indent(2, true)|'a\n\nb'|indent(2, blank=true)|'a\nb'|indent('> ')|''|indent|'a\n'|indent|lines|indent(1)|x|indent|'a\nb'|indent(width=3, first=true)|'a\n\n'|indent(2, true, true)|undefd|indent
'42'|int|'42.7'|int|' 42 '|int|'abc'|int|'abc'|int(-1)|'0x1f'|int(base=16)|'ff'|int(0, 16)|'1_000'|int|y|int|neg|int|t|int|n|int|l|int|undefd|int|'1e3'|int|'-7'|int|'+7'|int|'1__0'|int|''|int|'inf'|int|'nan'|int|'101'|int(0, 2)|'0b101'|int(0, 0)|'0o17'|int(0, 8)|'９'|int|(0-2.9)|int|1e400|int
'2.5'|float|'abc'|float|'abc'|float(1.5)|x|float|n|float|' 1e3 '|float|'inf'|float|'-Infinity'|float|'nan'|float|'1_0.5'|float|t|float|l|float|undefd|float|'.5'|float|'5.'|float|'0x1p3'|float|'1e999'|float|''|float|'--1'|float
neg|abs|y|abs|(0-2.5)|abs|s|abs|t|abs|undefd|abs|y|round|2.675|round(2)|x|round|42.55|round(1, 'floor')|42.55|round(1, 'ceil')|42.55|round|0.5|round|1.5|round|2.5|round|1234.5|round(-2)|1250|round(-2)|1350|round(-2)|s|round|2.345|round(2)|x|round(2)|42.55|round|int|7|round(0, 'floor')|42.5|round(1, 'nope')|-1234.567|round(1)|1e16|round|0.1|round(20)
x|string|n|string|l|string|t|string|undefd|string|s|string|(x|string) ~ 'a'|floats|-0.0|1e22|1e15|123456789012345678|1.0|100.0|1e100|5e-324|0.1|1/3|1e16|12345678901234567890.0|0.0001|0.00001|y|string
html|e|html|escape|html|safe|html|forceescape|html|striptags|x|e|n|e|'a'|e ~ '<'|'<p>a  b</p> <!-- c --> d&amp;e'|striptags
d|items|list|undefd|items|list|l|items|list|d|dictsort|d|dictsort(reverse=true)|{'b': 1, 'A': 2}|dictsort|{'b': 1, 'A': 2}|dictsort(true)|{'b': 1, 'A': 2}|dictsort(by='value')|{'b': 1, 'A': 2}|dictsort(false, 'value', true)|l|dictsort|{'a': 1}|dictsort(by='x')|{1: 'a', 'b': 2}|dictsort
d|tojson|l|tojson|s|tojson|u|tojson|q|tojson|n|tojson|t|tojson|floats|tojson|tool|tojson|tool|tojson(indent=2)|tool|tojson(indent=4)|tool|tojson(indent=0)|d|tojson(sort_keys=true)|d|tojson(separators=(',', ':'))|d|tojson(indent=2, separators=(', ', ': '))|u|tojson(ensure_ascii=true)|u|tojson(true)|undefd|tojson|[undefd]|tojson|{1: 2, none: 3, true: 4, 2.5: 5}|tojson|{(1,2): 3}|tojson|(1, 2)|tojson|[]|tojson(indent=2)|[[], {}]|tojson(indent=2)|html|tojson|'\x00\x1f\x7f\u2028'|tojson|range(3)|tojson|d.items()|tojson|namespace(a=1)|tojson|d|tojson(indent='--')|1e400|tojson|d|tojson(none, 2)|'😀\x7f'|tojson(true)|{'b':1,2:3}|tojson(sort_keys=true)|d|tojson(indent=true)|d|tojson(foo=1)|{'a': {'b': []}}|tojson(indent=-1)
'foo bar baz qux'|truncate(9)|'foo bar baz qux'|truncate(9, true)|'foo bar baz qux'|truncate(11)|'foo bar baz qux'|truncate(11, false, '...', 0)|s|truncate|'foobarbaz'|truncate(5, leeway=0)|u|truncate(10, true, '…', 0)|s|truncate(2)|l|truncate(300)|'a b c d e f g h i j k'|truncate(length=8, end='!')
s|wordcount|u|wordcount|''|wordcount|'a-b c_d'|wordcount|s|center(20)|s|center|x|center(5)|'%s-%s'|format(1, 'a')|'%(a)s'|format(a=1)|'%d%%'|format(5)|'%s'|format(1, a=2)|'a b&c/d?é'|urlencode|{'a b': 'c/d', 'e': 1}|urlencode|[('a', 1)]|urlencode|x|urlencode|{'a': 'b', 'c': none, 'd': '"'}|xmlattr|{'a': 1}|xmlattr(false)|1000|filesizeformat|1|filesizeformat|123456789|filesizeformat|123456789|filesizeformat(true)|512|filesizeformat|1e30|filesizeformat
'The quick brown fox jumps over the lazy dog'|wordwrap(15)|'The quick brown fox'|wordwrap(5)|'Supercalifragilistic word'|wordwrap(8)|'Supercalifragilistic word'|wordwrap(8, false)|'a\nb c d'|wordwrap(3, wrapstring='|')|'well-known co-op x'|wordwrap(6)|'well-known co-op x'|wordwrap(6, break_on_hyphens=false)
d|attr('b')|s|attr('upper') is defined|d|attr('items') is callable|x|nope|'a'|first|upper|l|nope if f else 1|s|upper|lower|title|l|sort|first|string|length|x|default(1)|int + 3|(l|length) - 1|l|length - 1|l|length > 2|s|length == 12 and l|length == 3|not l|length|-l|length|x + l|length|x ~ l|length|s|upper ~ 'x'|l|join(',')|length * 2|2 * l|length|s[0]|upper|d.a|first|d['a']|last|x|string * 3
3 * 'ab'|'ab' * 0|'ab' * -1|[1] * 3|(1,) * 2|'a' + 'b'|'a' + 1|1 + 'a'|[1] + [2]|[1] + (2,)|(1,) + (2,)|n + 1|t + 1|t + t|l + undefd|s * 2.0|l - l|-s|+s|-n|-t|+t|s()|x()|none()|s.nope()|s.nope|d.nope()|l.nope|9223372036854775807 + 0|2 ** 62|10 ** 18
loop|caller|varargs|true|True|none|None|false and undefd.x|t or undefd.x|x if t else undefd.x|namespace(a=1)|namespace(a=namespace(b='q'))|[x, y][0]|{'a': x}.a|(x)|((x))|(x,)[0]|"%s" % (x,)|[x for x in l]|lambda|x if|x y|x.|x|.5|5.|x..y|d['a'|(x|[x|{x}|{'a'}|'abc|x ? y|x & y|x <> y|x === 5|$x|x; y|{% raw|1 2|x,|,x|x = 5|f(x=1, 2)|range(stop=3)|range(*[1, 4])|list|dict(**{'a': 1})|dict(a=1, **{'a': 2})|range(*(1,), *(2,))|dict(**5)|range(*5)
messages|pprint|d|pprint|users|pprint|tool|pprint|html|pprint|n|pprint|le|pprint|(1,)|pprint|floats|pprint|nest|pprint|undefd|pprint|[undefd, undefd]|pprint|(html|e)|pprint|range(3)|pprint|d.items()|pprint|[u * 4, lines * 3]|pprint|(s * 9)|pprint|(users + [tool, (tool, 1)])|pprint|{'k' * 50: {'a' * 30: s * 3, 2: 1}, 1: [s * 8]}|pprint|users|groupby('city')|pprint|{none: 1, 'b': 2, 1.5: 3, (2, 1): 4, (1, 2): 5}|pprint|(lines * 6)|pprint|['x' * 100]|pprint|{undefd: 1, 'a': 2}|pprint|x|pprint(1)
'see http://example.com/a?b=1&c=2, (www.x-y.org) and me@example.com.'|urlize|'https://example.com:8080/very/long/path#x example.net http://[::1]:80/ http://127.0.0.1/'|urlize(12)|'mailto:a@b.co tel:123 ftp://x'|urlize(extra_schemes=['tel:', 'ftp://'])|'(http://a.b/(c)) &lt;http://a.de>'|urlize(nofollow=true, target='_top', rel='x a')|html|urlize|n|urlize|undefd|urlize|l|urlize|'a@b @a@b.c www.a@b.cd a.com b.xyz c.info/x HTTP://X.COM'|urlize|'http://a.bc'|urlize('x')|'none'|urlize('x')|'a.com'|urlize(rel=3)|'a.com'|urlize(extra_schemes=['::'])
[x]|random|[]|random is defined|undefd|random is defined|''|random is defined|'a'|random|n|random|x|random|d|random|range(1)|random|{0: 'z'}|random
l|sort(undefd)|l|sort(none)|l|sort(1)|l|sort('')|l|sort(reverse=2.5)|d|dictsort(reverse=undefd)|d|dictsort(reverse=true)|[undefd]|sort|[undefd, 1]|sort|undefd|sort|l|sort(attribute=undefd)|l|sort(case_sensitive=undefd)|undefd|list|undefd|sum|undefd|join|undefd|min is defined|undefd|dictsort|undefd|items|list|undefd|int|undefd|float|undefd|abs|undefd|round|undefd|truncate|undefd|wordwrap|undefd|indent|undefd|filesizeformat|undefd|xmlattr|undefd|tojson|undefd|attr('x')|x|attr(undefd)|x|attr(1)|undefd|last|undefd|unique|list|undefd|batch(2)|list|undefd|slice(2)|list|undefd|urlencode|undefd|wordcount|undefd|striptags|undefd|center|undefd|e|undefd|safe|undefd|string|l|select(undefd)|list|l|map(undefd)|list|l|reject(undefd)|list
undefd is odd|undefd is even|undefd is divisibleby(2)|2.5 is divisibleby(2.5)|'%d' is divisibleby(3)|'a' is divisibleby(d)|x is divisibleby(none)|undefd is lower|undefd is upper|undefd is eq(undefd)|undefd is lt(1)|undefd is gt(1)|undefd is in([undefd])|x is in(undefd)|undefd is mapping|undefd is string|undefd is number|undefd is iterable|undefd is escaped|undefd is boolean|undefd is sameas(none)|undefd is filter|undefd is test|l is filter|d is test|n is filter|d.items() == d.items()|d.keys() == d.keys()|d.values() == d.values()|'12'|int(7, 'x')|'12'|int(7, 99)|'ab'|int(7, 99)|''|wordwrap('x')
"""

# one template each; "###" separates
STATEMENTS = r"""
{% if x %}a{% endif %}###{% if zero %}a{% else %}b{% endif %}###{% if zero %}a{% elif e %}b{% elif x %}c{% else %}d{% endif %}###{% if x > 3 and y < 3 %}both{% endif %}###{% if undefd %}a{% else %}b{% endif %}###{% if undefd.x %}a{% endif %}
###{% for i in l %}{{ i }},{% endfor %}###{% for i in le %}{{ i }}{% else %}none{% endfor %}###{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}###{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}###{% for k in d %}{{ k }}{% endfor %}###{% for c in s %}{{ c }}.{% endfor %}###{% for i in x %}{% endfor %}###{% for i in n %}{% endfor %}###{% for i in undefd %}a{% else %}u{% endfor %}
###{% for i in l if i > 1 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}###{% for i in l if i > 9 %}a{% else %}empty{% endfor %}###{% for a, b in [[1,2],[3,4]] %}{{ a }}{{ b }}{{ loop.last }}{% endfor %}###{% for a, b in [[1,2,3]] %}{% endfor %}###{% for a, b in [[1]] %}{% endfor %}###{% for a, (b, c) in [[1,[2,3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}###{% for a, b in l %}{% endfor %}
###{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}###{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}###{% for i in [1,1,2,2,1] %}{{ loop.changed(i) }}{% endfor %}###{% for i in range(5) %}{{ loop.cycle('a', 'b') }}{% endfor %}###{% for i in l %}{{ loop.cycle() }}{% endfor %}###{% for i in l|map('string') %}{{ loop.length }}{{ loop.last }}{{ i }}{% endfor %}###{% for i in l|map('string') %}{{ loop.revindex }}{% endfor %}###{% for i in l|select('odd') %}{{ loop.last }}{{ i }}{{ loop.length }}{% endfor %}
###{% for i in l %}{% for j in ls %}{{ loop.index }}{% endfor %}{{ loop.index }}|{% endfor %}###{% for i in l %}{% set outer = loop %}{% for j in [1,2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}###{% for i in range(10) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}###{% for i in range(5) %}{% if i is odd %}{% continue %}{% endif %}{{ i }}{% endfor %}###{% for i in range(3) %}{% break %}{% else %}else{% endfor %}###{% for i in range(3) %}{% if i == 1 %}{% break %}{% endif %}{% else %}else{% endfor %}###{% for i in range(3) %}{% continue %}{% else %}else{% endfor %}###{% break %}###{% if x %}{% continue %}{% endif %}###{% for i in l %}{% for j in l %}{% if j == 1 %}{% break %}{% endif %}{{ j }}{% endfor %};{% endfor %}###{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
###{% for i in nest recursive %}{% if i is iterable %}[{{ loop(i) }}]{% else %}{{ i }}@{{ loop.depth }}{{ loop.depth0 }}{% endif %}{% endfor %}###{% for i in l %}{{ loop(l) }}{% endfor %}###{% for i in l recursive %}{{ i }}{% else %}e{% endfor %}###{% for i in [] recursive %}{{ i }}{% else %}e{% endfor %}###{% for i in nest if i recursive %}{{ loop.index }}{% if i is iterable %}({{ loop(i) }}){% endif %}{% endfor %}
###{% set a = 1 %}{{ a }}###{% set a, b = 1, 2 %}{{ a }}{{ b }}###{% set a = 1, 2 %}{{ a }}###{% set a, b = 1 %}###{% set x = x + 1 %}{{ x }}###{% set a %}text {{ x }}{% endset %}{{ a }}|{{ a|length }}###{% set a | upper %}text{% endset %}{{ a }}###{% set a | replace('t', 'x') | upper %}text{% endset %}{{ a }}###{% for i in l %}{% set a = i %}{% endfor %}{{ a is defined }}###{% set a = 0 %}{% for i in l %}{% set a = a + i %}{{ a }} {% endfor %}{{ a }}###{% set ns = namespace(a=0) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}###{% set ns = namespace() %}{% set ns.b = 5 %}{{ ns.b }}{{ ns['b'] }}{{ ns.c is defined }}{{ ns }}###{% set d.b = 5 %}{{ d.b }}###{% set undefd.b = 5 %}###{% set ns = namespace(a=1) %}{% set ns._b = 5 %}###{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}###{% set ns = namespace() %}{% set ns.a %}block{% endset %}{{ ns.a }}###{% if x %}{% set a = 1 %}{% endif %}{{ a }}###{% if zero %}{% set s = 1 %}{% endif %}{{ s }}###{% if zero %}{% set a = 1 %}{% endif %}{{ a is defined }}###{% set none = 1 %}###{% set 5 = 1 %}###{% set a = %}###{% set loop = 1 %}{{ loop }}###{% for i in l %}{% set loop = 1 %}{% endfor %}###{% for loop in l %}{{ loop }}{% endfor %}
###{% for i in l %}{{ x }}{% endfor %}{% set x = 1 %}{{ x }}###{% for i in l %}{% if i == 1 %}{% set x = 99 %}{% endif %}{{ x }} {% endfor %}{{ x }}###{% for i in l %}{{ i }}{% set i = 9 %}{{ i }}{% endfor %}###{% set i = 7 %}{% for i in l %}{{ i }}{% endfor %}{{ i }}###{% for i in l %}{% for i in ls %}{{ i }}{% endfor %}{{ i }}{% endfor %}###{% macro m() %}{{ x }}{% endmacro %}{% set x = 'new' %}{{ m() }}###{% macro m() %}{% set x = 1 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}###{% macro m() %}{{ q2 }}{% endmacro %}{{ m() }}{% set q2 = 'b' %}{{ m() }}###{% if t %}{% for i in l %}{% set zz = i %}{% endfor %}{% endif %}{{ zz }}###{% set x = 1 %}{% if t %}{% set x = 2 %}{% if t %}{% set x = 3 %}{% endif %}{% endif %}{{ x }}###{% if zero %}{{ x }}{% else %}{% set x = 2 %}{% endif %}{{ x }}###{% if zero %}{% set x = 2 %}{% else %}{{ x }}{% endif %}{{ x }}###{% for m in messages %}{% if loop.first and m.role == 'system' %}{% set sys = m.content %}{% endif %}{{ sys }}{% endfor %}{{ sys }}
###{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m() }}###{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}###{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}###{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}###{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body {{ x }}{% endcall %}###{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}+{{ b }}{% endcall %}###{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}###{% macro m() %}{% endmacro %}{% call m() %}x{% endcall %}###{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}###{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}###{% macro m(a=x) %}{{ a }}{% endmacro %}{% set x = 9 %}{{ m() }}###{% macro m(a, b) %}{{ b is defined }}{{ b }}{% endmacro %}{{ m(1) }}###{% macro m(a=1, b) %}{% endmacro %}###{% macro m(a, a) %}{% endmacro %}###{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}###{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}###{% macro m() %} a {% endmacro %}[{{ m() }}][{{ m()|trim }}]{{ m() is string }}###{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}###{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}###{% macro m(x) %}{% for i in x %}{{ i }}{{ loop.last }}{% endfor %}{% endmacro %}{% for j in nest[:1] %}{{ m(j) }}{{ loop.last }}{% endfor %}###{% macro m(caller) %}{{ caller }}{% endmacro %}###{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}###{% macro m() %}{{ kwargs.a }}{% endmacro %}{{ m(a=1) }}###{% macro m() %}{{ varargs|length }}{% endmacro %}{{ m(1,2) }}###{% macro m() %}{{ m }}{% endmacro %}{{ m() }}###{{ l|map('upper')|list }}{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(*[1]) }}{{ m(**{'v': 2}) }}###{% call x %}{% endcall %}###{% call undefd() %}{% endcall %}###{% macro m() %}{{ caller() }}{% endmacro %}{% for i in l %}{% call m() %}{{ i }}{{ loop.index }}{% endcall %}{% endfor %}
###{% filter upper %}abc {{ s }}{% endfilter %}###{% filter replace('a', 'b') | upper %}aaa{% endfilter %}###{% filter nope %}{% endfilter %}###{% filter trim %}  {% set a = 1 %}{{ a }} {% endfilter %}{{ a }}###{% with a = 1, b = x %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}###{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q == 1 }}###{% with a = 1, b = a %}{{ b }}{% endwith %}###{% with x = 9 %}{{ x }}{% endwith %}{{ x }}###{% with a, b = 1, 2 %}{% endwith %}###{% raw %}{{ x }} {% if %}{% endraw %}###{% raw -%}  a  {%- endraw %} b###{%- raw %} {{ {% endraw -%} b###a {# comment {{ x }} #} b###a {#- c -#} b###a{# unclosed###{% raw %}unclosed###{% generation %}gen {{ x }}{% endgeneration %} after###a{% generation %}b{% endgeneration %}c{% generation %}😀é{% endgeneration %}d###{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% set z = 1 %}{% endgeneration %}{% else %}{{ m.content }}😀{% endif %}{% endfor %}{{ z }}###{% macro m() %}ab{% generation %}cd{% endgeneration %}{% endmacro %}x{{ m() }}###{% set a %}1{% generation %}2{% endgeneration %}{% endset %}x{{ a }}###{% for i in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}###{%- generation -%}  a  {%- endgeneration -%}  b###{% generation %}{% for i in l %}{{ loop.index }}{% endfor %}{% endgeneration %}
###{% block a %}in block {{ x }}{% endblock %}###{% set z = 1 %}{% block a %}{{ z }}{% endblock a %}###{% include 'a' %}###{% import 'a' as b %}###{% extends 'a' %}###{% if f %}{% include 'a' %}{% endif %}ok###{% print x, s %}###{% do x %}###{% autoescape true %}<{% endautoescape %}###{% nope %}###{% if x %}###{% endif %}###{% for %}{% endfor %}###{% for i l %}{% endfor %}###{% if %}{% endif %}###{% else %}###{% if x %}{% endfor %}###{% for i in l %}{% endif %}###{{ x###{{ x }###{% if x }}###{% set %}###{{###{%###{####{{}}###{%%}###{{ }}###{% %}###}}###%}###a }} b %} c #}###{{ '}}' }}###{{ {'a': {'b': 1}}['a']['b'] }}###{{ {'a':1}}}###{{{'a':1}}}###{{ "{%" }}###{{{}}}###{{-5}}###{{+5}}###{{ -5 }}###{{- -5 -}}
###{% if x -%}
  a
{%- endif %}
###  {% if x %}
  a
  {% endif %}
b
###  {%- if x %}
  a
  {%- endif %}
b
###  {%+ if x %}
  a
  {%+ endif %}
b
###{% if x +%}
a
{% endif +%}
b
###a
  {{ x }}
b
###a
  {{- x }}
b
###a
  {{ x -}}
  
b
### {# c #}
b
###a {# c #}
b
### {#- c -#}
 b
###{# c +#}
b
### {#+ c #}
b
###a

{% set q = 1 %}

b
###{% for i in l %}
{{ i }}
{% endfor %}
###{%- for i in l -%}
{{ i }}
{%- endfor -%}
###{% for i in l %}  {{ i }}  {% endfor %}
###
a
###

a

###a


###  {% raw %}  
 x 
  {% endraw %}  
y
###a	{% if x %}	b	{% endif %}	c
###a	
	{% if x %}
	b
	{% endif %}
c
###{{ x }}
{{ y }}
###{{ x }}{% if t %}
a{% endif %}
b###{{ x }}   {% if t %}a{% endif %}###   {% if t %}a{% endif %}   {% if t %}b{% endif %}###{{ x }}
   {% if t %}a{% endif %}###{% if t %}
   {% if t %}a{% endif %}
{% endif %}###{% if t %}   {% if t %}a{% endif %}{% endif %}###{#c#}   {% if t %}a{% endif %}###{#c#}
   {% if t %}a{% endif %}###{% raw %}a{% endraw %}   {% if t %}b{% endif %}###{% raw %}a
   {% endraw %}   {% if t %}b{% endif %}###  {{- x -}}  {{ y -}}  
  z###a
{%- if t %}

b
{%- endif %}

c###{{ "a
b" }}###{%- set a = 'x' -%}

 {{ a }}
###{%- if t -%}a{%- else -%}b{%- endif -%}  c###{% if t %}a
{% endif %}{% if t %}b
{% endif %}c###{{ '\n' }}{% if t %}
x{% endif %}###text　{%- if t %} a{% endif %}###　{% if t %}a{% endif %}
###{% set ns = namespace(found=false) %}{% for m in messages if not ns.found %}{% if m.role == 'user' %}{% set ns.found = true %}{% endif %}{{ m.content }}{% endfor %}###{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}a{% else %}b{% endif %}{% endfor %}###{% for message in messages %}{{ '<|' + message['role'] + '|>' + '\n' + message['content'] | trim + '\n' }}{% endfor %}###{{ messages[0]['role'] == 'system' and 'yes' or 'no' }}###{% set loop_messages = messages[1:] if messages[0].role == 'system' else messages %}{{ loop_messages|length }}###{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}###{% set ns = namespace(i=-1) %}{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{% if m.role == 'user' %}{% set ns.i = index %}{% endif %}{% endfor %}{{ ns.i }}###{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join('|') }}###{%- for m in messages %}{%- if loop.index0 == 0 %}{{- 'first ' }}{%- elif loop.last %}{{- 'last ' }}{%- else %}{{- m.role ~ ' ' }}{%- endif %}{%- endfor %}###{% for key, val in tool.function.parameters.properties|items %}{{ key }}:{{ val.type }}{% if val.enum %}{{ val.enum|tojson }}{% endif %}{% endfor %}###{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}###{% set j = joiner(', ') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}###{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}###{% for g in users|groupby('city') %}{{ g.grouper }}{{ g.list|length }}{% for u in g[1] %}{{ u.name }}{% endfor %}{% endfor %}###{% for grp, items in users|groupby('city') %}{{ grp }}{{ items|map(attribute='name')|join(',') }};{% endfor %}###{% set m = l|map('string') %}{{ m|list }}{{ m|list }}###{% set r = l|reverse %}{{ r|list }}{{ r|list }}###{% if l|map('string') %}truthy{% endif %}###{% if le|map('string') %}truthy{% endif %}###{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% continue %}{% endif %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}###{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}###{% if messages[0].role != 'user' %}{{ raise_exception('a' + 'b') }}{% endif %}###{% set content = undefd.content %}###{% for m in messages %}{{ m.tool_calls }}{{ m.tool_calls is defined }}{{ m.tool_calls|length }}{% endfor %}###{{ messages[10].content }}###{{ messages[-1]['content'] }}###{% set x2 = {'a': [1,2,{'b': 'c'}]} %}{{ x2.a[2].b }}{{ x2['a'][-1]['b'] }}###{% for i in range(3) -%} {{ i }} {%- if not loop.last %}, {% endif -%} {% endfor %}###{% set a = [] %}{% set a = a + [1] %}{% set a = a + [2] %}{{ a }}###{% set ns = namespace(l=[]) %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}###{% set ns = namespace(d={}) %}{% for i in l %}{% set ns.d = dict(ns.d, **{i|string: i}) %}{% endfor %}{{ ns.d }}###{{ (1, 2, 3)|join('-') }}###{{ "a" if x is defined and x else "b" }}###{{ x if x is number }}###{%- macro render(v, depth=0) -%}{%- if v is mapping -%}{ {%- for k, w in v.items() -%}{{ k }}: {{ render(w, depth + 1) }}{%- if not loop.last %}, {% endif -%}{%- endfor -%} }{%- elif v is string -%}"{{ v }}"{%- elif v is iterable -%}[{%- for w in v -%}{{ render(w, depth + 1) }}{%- if not loop.last -%},{%- endif -%}{%- endfor -%}]{%- else -%}{{ v|tojson }}@{{ depth }}{%- endif -%}{%- endmacro -%}{{ render(d) }} {{ render(tool) }}
###{% set a = 1 %}{% set a = a|string ~ 'b' %}{{ a }}###{{ [1,2,3]|sum / 2 }}###{{ 'a,b'.split(',')|map('upper')|list|last }}###{{ l[x - 4:] }}###{{ l[loop.index0] }}###{% for i in l %}{{ l[loop.index0 - 1] }}{% endfor %}###{{ {'role': 'a'}|tojson|safe }}###{{ 'x' in messages[0] }}{{ 'role' in messages[0] }}###{{ messages | length > 1 }}###{{ not messages[0].tool_calls is defined }}###{{ s is string and s | length }}###{{ messages | map(attribute='role') | unique | list }}###{{ (messages | first).role }}{{ messages|last is mapping }}###{{ [messages[0]] + messages[2:] == messages }}###{% if 'a' in 'abc' and not 'd' in 'abc' %}ok{% endif %}###{% if n is none and undefd is undefined %}ok{% endif %}###{{ '%s' % messages[0] }}###{{ messages[0] }}###{{ messages[0]|string|length }}###{{ users[3] }}###{{ tool }}###{{ floats }}###{{ nest|string }}###{{ q }}###{{ [q] }}###{{ [u] }}###{{ sp }}|###{{ lines }}|
###line1
line2 {{ undefd.x }}###{{ x
}}###{{
 x
}}###{% if
 x %}a{% endif %}###{{ x }}{{ 'a' 
 'b' }}###{{ 5 is odd is even }}###{{ x is defined is defined }}###{{ x|upper|nope }}###{% if f %}{{ x|nope }}{% endif %}ok###{% if t %}{{ x|nope }}{% endif %}###{{ 1 if t else x|nope }}###{% if f %}{% for i in l %}{{ i|nope }}{% endfor %}{% endif %}ok###{% if f %}{{ x is nope }}{% endif %}ok###{{ f and (x|nope) }}###{{ 'a'|format }}###{{ l.0 }}{{ l.1 }}###{{ d.a.1 }}###{{ x.0 }}###{{ d . b }}###{{ d ['b'] }}###{{ s . upper ( ) }}###{{ s | upper | lower }}###{{ s|upper() }}###{{ s|replace ('o', '0') }}###{{ {'a': 1, 'b': 2}.items()|list }}###{{ ((x)) + (((1))) }}###{{ [[[[[[1]]]]]] }}###{{ not not not x }}###{{ x if x if x else 2 else 3 }}###{{ 1 if zero else 2 if zero else 3 }}###{{ a.b.c if a is defined else 'none' }}###{{ true and false or true }}###{{ 1 == 1 == 1 }}###{{ 1 < 2 == true }}###{{ 2 ** 3 ** 2 }}###{{ -2 ** 2 }}###{{ 2 - -2 }}###{{ 'a' ~ 'b' + 'c' }}###{{ 1 ~ 2 * 3 }}###{{ 1 + 2 ~ 3 }}###{{ 'a' in 'abc' ~ 'd' }}###{{ x is odd and x is not even }}###{{ -x|abs }}###{{ (-x)|abs }}###{{ -1|abs }}###{{ 3|string + 'a' }}###{{ x.__init__ }}|###{{ s.__len__() }}###{{ ''.__class__.__mro__ }}###{{ range.__globals__ }}###{{ d.get.__self__ }}###{{ lipsum is defined }}{{ range is defined }}{{ dict is callable }}###{{ dict.fromkeys is defined }}###{{ '<a>' + (html|safe) + '&' }}###{{ (html|e) + '<' ~ '<' }}###{{ html|e|e }}###{{ [html|safe] }}###{{ (html|safe) is escaped }}###{{ (html|safe)[1:5] + '<' }}###{{ (html|safe)|upper + '<' }}###{{ (html|safe).strip() + '<' }}###{{ (html|safe).replace('a', '<') }}###{{ (html|safe)|replace('a', '<') + '<' }}###{{ '<' ~ (tool|tojson|safe) }}###{{ '<' + (tool|tojson) }}###{{ (l|tojson|safe) + '<x>' + s }}###{{ (html|safe) * 2 + '<' }}###{{ (html|safe)|trim + '<' }}###{{ (html|safe) == html }}###{{ loop is defined }}
"""


def split_expressions(line):
    """Cases stand between bars; a bar that joins a filter has no case on its own, so filters are told by their text."""
    return line.split("|")


def snippets():
    out = []
    for line in EXPRESSIONS.strip("\n").replace("\\\ncont'", "\0").split("\n"):
        line = line.replace("\0", "\\\ncont'")
        out += ["{{ " + case + " }}" for case in cases_of(line)]
    body = STATEMENTS.strip("\n")
    out += [case for case in body.split("###")]
    return list(dict.fromkeys(out))


FILTERS = set("""abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape
format groupby indent int items join last length list lower map max min pprint random reject rejectattr replace reverse round safe select
selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr
nope""".split())


def cases_of(line):
    """Splits at bars outside of strings and brackets, and joins what continues with the name of a filter."""
    parts, depth, quote, start, i = [], 0, None, 0, 0
    while i < len(line):
        c = line[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = None
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "|" and depth <= 0:
            parts.append(line[start:i])
            start = i + 1
        i += 1
    parts.append(line[start:])
    cases = []
    for part in parts:
        name = part.strip().split("(")[0].split(" ")[0].split("[")[0].split(".")[0]
        if cases and name in FILTERS and (part.strip() == name or part.strip()[len(name)] in "( "):
            # "d" and "e" are variables too: a filter only when called
            if name in ("d", "e") and not part.startswith(name + "(") and not (name == "e" and cases[-1] in ("html", "x", "n", "'a'")):
                cases.append(part)
            else:
                cases[-1] += "|" + part
        else:
            cases.append(part)
    return cases
