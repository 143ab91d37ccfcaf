import VRRP
