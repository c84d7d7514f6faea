"""Ways to write an address that nobody may call, and names that resolve to one."""

_LITERALS = """
127.0.0.1  127.0.0.1.  127.1  127.0.1  2130706433  0x7f000001  0x7f.0.0.1  0x7f.1  0177.0.0.1  017700000001
127.0.0.01  127.255.255.254  0  0.0.0.0  0.1.2.3  \uff11\uff12\uff17.0.0.1  127\u30020\u30020\u30021
①②⑦.⓪.⓪.①  %31%32%37.0.0.1
user@127.0.0.1  api.example@127.0.0.1  api.example\\@127.0.0.1  127.0.0.1%00.example  127.0.0.1:443:80
[::]  [::1]  [0:0:0:0:0:0:0:1]  [::ffff:127.0.0.1]  [::ffff:7f00:1]  [::127.0.0.1]  [::ffff:0:127.0.0.1]
[64:ff9b::127.0.0.1]  [64:ff9b::a00:1]  [64:ff9b:1::7f00:1]  [2002:7f00:1::]  [2001:0:7f00:1::]
[2606:4700::5efe:127.0.0.1]  [fe80::1]  [fe80::1%25eth0]  [fec0::1]  [fc00::1]  [fd12:3456::1]  [ff02::1]
[2001:db8::1]  [2001:10::1]  [3fff::1]  [100::1]  [5f00::1]  [fd00:ec2::254]  [::ffff:169.254.169.254]
169.254.169.254  2852039166  0xa9fea9fe  0251.0376.0251.0376  169.254.170.2  100.100.100.200  168.63.129.16
10.0.0.1  0xa.1  172.16.0.1  172.31.255.255  192.168.1.1  100.64.0.1  192.0.0.1  192.0.2.1  192.88.99.1  198.18.0.1
198.51.100.1  203.0.113.1  224.0.0.1  239.255.255.250  240.0.0.1  255.255.255.255
"""

_NAMES = """
localhost  LOCALHOST  localhost.  localhost.localdomain  ip6-localhost  \uff4cocalhost  loc\u00adalhost  a.localhost
127.0.0.1.nip.example  127-0-0-1.sslip.example  metadata.google.internal  instance-data.ec2.internal
xn--lcalhost-w2a.example  l\u043ecalhost.example  inner  kubernetes.default.svc  host.docker.internal
"""

LITERALS, NAMES = _LITERALS.split(), _NAMES.split()
