package layout

import "testing"

func TestAnswerID(t *testing.T) {
	t.Parallel()
	const derived, random = "5406d369-4369-8673-afae-6671a2fa1e57", "5406d369-4369-4673-afae-6671a2fa1e57"
	if a := AnswerID(derived); !Derived(a) || a == AnswerID("5406d369-4369-8673-afae-6671a2fa1e58") || a != AnswerID(derived) {
		t.Errorf("the answer to a derived id is %s", a)
	}
	if a := AnswerID(random); Derived(a) || len(a) != 36 || a[14] != '4' {
		t.Errorf("the answer to a random id is %s", a)
	}
	for id, want := range map[string]bool{
		derived: true, "5406D369-4369-8673-BFAE-6671A2FA1E57": true, random: false, "": false, "5406d369436986 73afae6671a2fa1e57": false,
		"5406d369-4369-8673-cfae-6671a2fa1e57": false,
	} {
		if Derived(id) != want {
			t.Errorf("Derived(%q) is %v", id, !want)
		}
	}
}
